"""A test of promptfoo as cases: one for each prompt and each choice of its variables."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from harness.common import nearest, shown
from harness.common.reading import read_text
from harness.suites.importing.promptfoo.assert_types import Choices
from harness.suites.importing.promptfoo.assertions import Assertions
from harness.suites.importing.promptfoo.configuration import (
    FILE,
    Configuration,
    PromptTemplate,
    is_program,
    suffix_of,
)
from harness.suites.importing.promptfoo.nunjucks import jinja_of, rendered
from harness.suites.importing.source import (
    Located,
    Notes,
    Wrong,
    literal,
    mapping_of,
    name_of,
    read_yaml,
)
from harness.suites.schema import MAX_CASES
from harness.suites.templates import is_template

_MEDIA = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".pdf", ".mp3", ".wav", ".mp4", ".mov")
_OF_TESTS = (
    *("description", "vars", "assert", "threshold", "options", "metadata", "provider", "providers"),
    *("providerOutput", "prompts", "assertScoringFunction", "tags"),
)
_PROGRAMS = {
    "transform": "the answer",
    "postprocess": "the answer",
    "transformVars": "its variables",
}


@dataclass(frozen=True)
class Project:
    """What the tests of a configuration share: what the user chose, prompts, the default test."""

    configuration: Configuration
    choices: Choices
    prompts: tuple[PromptTemplate, ...]
    default: Located


def cases_of(
    project: Project, test: Located, number: int
) -> list[tuple[dict[str, Any], str | None]]:
    """Return the cases of the test with a `number`, each beside its recorded answer, if any.

    What cannot be carried over is noted.
    """
    notes, default = project.configuration.notes, project.default
    own, base = mapping_of(test.value.get("options")), mapping_of(default.value)
    options = {**mapping_of(base.get("options")), **own}
    for key in test.value:
        if key not in _OF_TESTS:
            close = nearest(key, _OF_TESTS)
            message = f"the key {shown(key)} of a test is not known"
            notes.left_out.append(test[key].problem(message, did_you_mean=close))
    at = test
    try:
        for key, what in _PROGRAMS.items():
            if options.get(key):
                at = (test if own.get(key) else default)["options"][key]
                message = f"{key}: a program changes {what} before the assertions"
                message += "" if own.get(key) else ", of each test without one of its own"
                hint = "leave it out, or write the check so that it reads the whole answer"
                raise Wrong(message, hint=hint)
        if test.value.get("assertScoringFunction") or base.get("assertScoringFunction"):
            raise Wrong("assertScoringFunction: a program makes one score of all assertions")
        chosen = list(_variables(project, test))
    except Wrong as wrong:
        for source in (default, test):
            for _ in project.configuration.asserts(source):
                notes.count("assertion", False)
        if (told := at.told(wrong)) not in notes.left_out:  # of `defaultTest` once
            notes.left_out.append(told)
        return []
    limited = options.get("prompts") or test.value.get("prompts")
    allowed = limited if isinstance(limited, list) else None
    prompts = [each for each in project.prompts if allowed is None or each.label in allowed]
    name, said = f"test-{number}", test.value.get("description")
    if isinstance(said, str):
        with suppress(Wrong):
            name = name_of(said[:80].lower())
    name = f"test-{number}" if name == "gate" else name
    recorded = test.value.get("providerOutput")
    made: list[tuple[dict[str, Any], str | None]] = []
    for at_choice, variables in enumerate(chosen):
        # Each assertion is counted and told once, however many choices there are.
        assertions = Assertions(
            project.configuration, project.choices, variables, Notes() if at_choice else notes
        )
        checks, threshold = assertions.checks(test, default)
        if not checks:
            if at_choice == 0:
                message = "the test has no assertion that could be carried over"
                hint = "a case without a check tells nothing"
                notes.left_out.append(test.problem(message, hint=hint))
            return []
        for at_prompt, prompt in enumerate(prompts):
            values = {each: variables.get(each) for each in prompt.names}
            used = {each: "" if value is None else value for each, value in values.items()}
            try:
                case = _said(test, prompt, used, options)
            except Wrong as wrong:
                notes.left_out.append(test.told(wrong))
                continue
            unset = [each for each in prompt.names if each not in variables]
            if unset and at_choice == 0:
                message = f"no value for {', '.join(map(repr, unset))}: it is an empty text"
                notes.differs.append(test.problem(message))
            choice = f"-{at_choice + 1}" if len(chosen) > 1 else ""
            case = {"id": name + choice, **case}
            if len(prompts) > 1:
                case["id"] += f"-p{at_prompt + 1}"
            if threshold is not None:
                case["threshold"] = threshold
            case["checks"] = literal(checks)
            made.append((case, recorded if isinstance(recorded, str) else None))
    return made


def _said(
    test: Located, prompt: PromptTemplate, variables: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is said in a case. Raises Wrong where a template cannot be filled in."""
    parts = [prompt.system or "", prompt.user, prompt.prefix or ""]
    for text in (*parts, *(each for said in prompt.examples for each in said.values())):
        rendered(text, variables)  # what cannot be filled in is told with the test's line
    before, after = (options.get(key) or "" for key in ("prefix", "suffix"))
    user: str = prompt.user
    if before or after:
        user = f"{literal(before)}{prompt.user}{literal(after)}"
    tags = [
        name_of(f"{key}-{each}")
        for key, value in mapping_of(test.value.get("metadata")).items()
        for each in (value if isinstance(value, list) else [value])
        if isinstance(each, str | int | float)
    ]
    case = {
        "tags": tags or None,
        "vars": dict(variables) or None,
        "system": prompt.system,
        "examples": [dict(said) for said in prompt.examples] or None,
        "user": user,
        "prefix": prompt.prefix or None,
    }
    return {key: value for key, value in case.items() if value is not None}


def _variables(project: Project, test: Located) -> Iterator[dict[str, Any]]:
    """Yield the variables of a test: a mapping for each choice from its lists. Raises Wrong."""
    given: dict[str, Located] = {}
    for source in (project.default, test):
        found = source.get("vars")
        if isinstance(found.value, str):
            found = project.configuration.resolved(found, "the variables")
        if found.value is None:
            continue
        if not isinstance(found.value, Mapping):
            raise Wrong("vars is no mapping of names to values", found=shown(found.value))
        given |= {str(name): found[name] for name in found.value}
    expand = not mapping_of(test.value.get("options")).get("disableVarExpansion")
    lists: list[list[Any]] = []
    for name, at in given.items():
        if not re.fullmatch(r"[A-Za-z_]\w*", name) or name in ("row", "haystack"):
            raise Wrong(f"{name!r} cannot be the name of a variable", hint="rename it")
        value = at.value
        if isinstance(value, str) and value.startswith(FILE):
            if is_program(value):
                raise Wrong(f"the variable {name!r} is made by a program: {shown(value)}")
            if suffix_of(value) in _MEDIA:
                message = f"the variable {name!r} is no text: {shown(value)}"
                raise Wrong(message, hint="cases are texts")
            what = f"the file of the variable {name!r}"
            texts: list[Any] = []
            for file in project.configuration.files(at, value, what):
                is_yaml = file.suffix in (".yaml", ".yml")
                texts.append(read_yaml(file).value if is_yaml else read_text(file).strip())
            lists.append(texts)
        elif isinstance(value, list) and value and isinstance(value[0], str) and expand:
            lists.append(value)
        else:
            lists.append([value])
    total = math.prod(map(len, lists))
    if total > MAX_CASES:
        raise Wrong(f"the lists of its variables stand for {total:,} cases")
    for chosen in itertools.product(*lists):
        values = dict(zip(given, chosen, strict=True))
        for name, value in values.items():
            if isinstance(value, str):
                # A variable may use others, which may do the same.
                for _ in range(3):
                    if not is_template(value) or any(
                        used not in values for used in jinja_of(value)[1]
                    ):
                        break
                    value = rendered(value, values)
                values[name] = value.removesuffix("\n")
        yield values
