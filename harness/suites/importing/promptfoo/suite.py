"""A configuration of promptfoo as one suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem
from harness.suites.importing.promptfoo.assert_types import Choices
from harness.suites.importing.promptfoo.cases import Project, cases_of
from harness.suites.importing.promptfoo.configuration import Configuration
from harness.suites.importing.source import Imported, numbered, read_yaml
from harness.suites.schema import MAX_CASES


def import_promptfoo(path: Path, choices: Choices | None = None) -> Imported:
    """Read a configuration file as a suite. Raises InputError with its lines.

    choices: what becomes of assertions that ask a model; by default they are left out.
    """
    name = path.as_posix()
    if path.suffix not in (".yaml", ".yml", ".json"):
        hint = "a promptfooconfig.js runs: print its value as JSON, and import that"
        expected = ".yaml, .yml or .json"
        raise InputError(Problem("the file has another ending", name, expected=expected, hint=hint))
    keys = read_yaml(path, hint="name promptfoo's configuration, often promptfooconfig.yaml")
    if not isinstance(keys.value, Mapping) or not {"prompts", "tests"} & keys.value.keys():
        found = ", ".join(keys.value) if isinstance(keys.value, Mapping) else ""
        expected = "prompts and tests at the top level"
        hint = "results of a run (--output) are no configuration" if "results" in found else ""
        message = "this is no configuration of promptfoo"
        raise InputError(
            Problem(message, name, found=found or "no mapping", expected=expected, hint=hint)
        )
    configuration = Configuration(path, keys)
    notes = configuration.notes
    configuration.note_keys()
    prompts = tuple(configuration.prompts())
    default = configuration.resolved(keys.get("defaultTest"), "the default test")
    project = Project(configuration, choices or Choices(), prompts, default)
    cases: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    ids: Counter[str] = Counter()
    for number, test in enumerate(configuration.tests(), start=1):
        made = cases_of(project, test, number)
        notes.count("test", bool(made))
        for case, answer in made:
            case["id"] = numbered(case["id"], ids)
            cases.append(case)
            if answer is not None:
                answers.append({"case": case["id"], "response": answer})
            if len(cases) > MAX_CASES:
                raise InputError(Problem(f"more than {MAX_CASES:,} cases", name))
    if not cases:
        message = "nothing of this project can be carried over"
        raise InputError(Problem(message, name), *notes.left_out)
    repeat = keys.get("evaluateOptions").get("repeat").value
    title = keys.get("description").value
    return Imported(
        category="imported",
        description=title if isinstance(title, str) else f"Tests of {path.name}.",
        cases=tuple(cases),
        sampling={"temperature": 0, "max_new_tokens": 512},
        defaults={"repeats": repeat} if isinstance(repeat, int) and 1 < repeat <= 1000 else {},
        left_out=tuple(notes.left_out),
        differs=tuple(notes.differs),
        carried=notes.carried,
        answers=tuple(answers),
        origin=f"{path.name}, a configuration of promptfoo",
    )
