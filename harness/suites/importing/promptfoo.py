"""A project of promptfoo: prompts × tests × assertions, as the cases of one suite.

Read from what promptfoo documents (configuration reference, 0.121). Nothing of the project is run:
what is a program there (JavaScript, Python, transforms, providers) is listed, with its line.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem, nearest, plural, shown
from harness.common.reading import read_json_lines, read_text
from harness.common.yaml_positions import read_document
from harness.suites.importing.conversations import said_in
from harness.suites.importing.nunjucks import alone, jinja_of, rendered
from harness.suites.importing.promptfoo_asserts import Assertion, Choices, check_of, from_cell
from harness.suites.importing.source import (
    Imported,
    Located,
    Shared,
    Wrong,
    literal,
    name_of,
    named_file,
    read_yaml,
    valid,
)
from harness.suites.rows import read_rows
from harness.suites.schema import MAX_CASES
from harness.suites.templates import is_template

_MAX_FILES = 1000  # that one pattern of file names may stand for
_FILE = "file://"
_REMOTE = ("langfuse://", "portkey://", "helicone://", "http://", "https://", "huggingface://")
_PROGRAMS = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".sh", ".bash", ".pl")
_MEDIA = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".pdf", ".mp3", ".wav", ".mp4", ".mov")
_TEXTS = (".txt", ".md", ".j2", ".prompt")
# Keys of a configuration that say how promptfoo itself runs, or shows what it found.
_OF_RUNS = {
    "outputPath": "where promptfoo writes its own results",
    "sharing": "where promptfoo sends its own results",
    "commandLineOptions": "options of promptfoo's own command",
    "env": "variables of the environment of promptfoo's providers",
    "derivedMetrics": "figures of promptfoo's own page; the scorecard has its own",
    "extensions": "programs that promptfoo runs",
    "nunjucksFilters": "programs that promptfoo runs in templates",
    "redteam": "red teaming is not what this gate does",
    "tracing": "traces of agents are not recorded here",
    "tags": "marks of promptfoo's own results",
    "metadata": "marks of promptfoo's own results",
    "writeLatestResults": "where promptfoo writes its own results",
    "mcp": "servers that promptfoo starts",
}
_READ = (
    *("$schema", "description", "prompts", "providers", "targets", "tests", "defaultTest"),
    *("scenarios", "evaluateOptions", "assertionTemplates"),
)
_OF_TESTS = (
    *("description", "vars", "assert", "threshold", "options", "metadata", "provider", "providers"),
    *("providerOutput", "prompts", "assertScoringFunction", "tags"),
)


def import_promptfoo(path: Path, choices: Choices | None = None) -> Imported:
    """Read a configuration file as a suite. Raises InputError with its lines.

    choices: what becomes of assertions that ask a model; by default they are left out.
    """
    if path.suffix not in (".yaml", ".yml", ".json"):
        hint = "a promptfooconfig.js runs: print its value as JSON, and import that"
        expected = ".yaml, .yml or .json"
        raise InputError(
            Problem("the file has another ending", path.as_posix(), expected=expected, hint=hint)
        )
    config = read_yaml(path, hint="name promptfoo's configuration, often promptfooconfig.yaml")
    if not isinstance(config.value, Mapping) or not {"prompts", "tests"} & config.value.keys():
        keys = ", ".join(config.value) if isinstance(config.value, Mapping) else ""
        expected = "prompts and tests at the top level"
        hint = "results of a run (--output) are no configuration" if "results" in keys else ""
        message = "this is no configuration of promptfoo"
        raise InputError(
            Problem(
                message, path.as_posix(), found=keys or "no mapping", expected=expected, hint=hint
            )
        )
    return _Project(path, config, choices or Choices()).imported()


@dataclass(frozen=True)
class _Prompt:
    """A prompt: what is said before the last user turn, that turn, and the beginning of an answer.

    All texts are templates of Jinja; `names` are the variables in them.
    """

    label: str
    at: Located
    system: Shared | None
    examples: tuple[Mapping[str, Shared], ...]
    user: Shared
    prefix: Shared | None
    names: tuple[str, ...]


@dataclass
class _Notes:
    """What there is to say, and what was counted, on the way through a project."""

    left_out: list[Problem] = field(default_factory=list)
    differs: list[Problem] = field(default_factory=list)
    counted: dict[str, list[int]] = field(default_factory=dict)

    def count(self, noun: str, carried: bool) -> None:
        done = self.counted.setdefault(noun, [0, 0])
        done[0] += carried
        done[1] += 1


class _Project:
    """One configuration and the files that it names, all in its own folder."""

    def __init__(self, path: Path, config: Located, choices: Choices) -> None:
        self.path, self.folder, self.config, self.choices = path, path.parent, config, choices
        self.notes = _Notes()

    def imported(self) -> Imported:
        """Return the suite. Raises InputError where no case is left."""
        for key in self.config.value:
            at = self.config[key]
            if key in ("providers", "targets"):
                named = [_name_of_provider(each.value) for each in at.each()]
                reason = f"the models that are asked: {', '.join(named)[:300]}"
                hint = "choose with --model, --adapter or --backend openai (docs/servers.md)"
                self.notes.left_out.append(at.problem(f"{key}: {reason}", hint=hint))
            elif key in _OF_RUNS:
                self.notes.left_out.append(at.problem(f"{key}: {_OF_RUNS[key]}"))
            elif key not in _READ:
                close = nearest(key, (*_READ, *_OF_RUNS))
                message = f"the key {shown(key)} is not known"
                self.notes.left_out.append(at.problem(message, did_you_mean=close))
        prompts = list(self._prompts())
        default = self._file_value(self.config.get("defaultTest"), "the default test")
        cases: list[dict[str, Any]] = []
        answers: list[dict[str, Any]] = []
        ids: dict[str, int] = {}
        for number, test in enumerate(self._tests(), start=1):
            made = self._cases(test, default, prompts, number)
            self.notes.count("test", bool(made))
            for case, answer in made:
                same = ids[case["id"]] = ids.get(case["id"], 0) + 1
                if same > 1:
                    case["id"] = f"{case['id']}-{same}"
                cases.append(case)
                if answer is not None:
                    answers.append({"case": case["id"], "response": answer})
                if len(cases) > MAX_CASES:
                    message = f"more than {MAX_CASES:,} cases"
                    raise InputError(Problem(message, self.path.as_posix()))
        if not cases:
            message = "nothing of this project can be carried over"
            raise InputError(Problem(message, self.path.as_posix()), *self.notes.left_out)
        repeat = self.config.get("evaluateOptions").get("repeat").value
        repeats = {"repeats": repeat} if isinstance(repeat, int) and 1 < repeat <= 1000 else {}
        title = self.config.get("description").value
        return Imported(
            category="imported",
            description=title if isinstance(title, str) else f"Tests of {self.path.name}.",
            cases=tuple(cases),
            sampling={"temperature": 0, "max_new_tokens": 512},
            defaults=repeats,
            left_out=tuple(self.notes.left_out),
            differs=tuple(self.notes.differs),
            carried={noun: (done, total) for noun, (done, total) in self.notes.counted.items()},
            answers=tuple(answers),
            origin=f"{self.path.name}, a configuration of promptfoo",
        )

    # -- files ---------------------------------------------------------------------------------

    def _files(self, at: Located, named: str, what: str) -> list[Path]:
        """Return the files of the project that a name or a pattern stands for. Raises Wrong."""
        relative = named.removeprefix(_FILE)
        if not any(sign in relative for sign in "*?["):
            return [named_file(self.folder, at, relative, what, "the configuration")]
        if ".." in Path(relative).parts or Path(relative).is_absolute():
            raise Wrong(f"{what} {shown(relative)} is outside of the configuration's folder")
        found = sorted(
            path for path in itertools.islice(self.folder.glob(relative), 50_000) if path.is_file()
        )
        if not found:
            raise Wrong(f"no file is called {shown(relative)}")
        if len(found) > _MAX_FILES:
            raise Wrong(f"{shown(relative)} stands for more than {_MAX_FILES} files")
        inside = self.folder.resolve()
        return [path for path in found if path.resolve().is_relative_to(inside)]

    def _file_value(self, at: Located, what: str) -> Located:
        """Return a value, or what the file holds that stands in its place (`file://x.yaml`)."""
        if not isinstance(at.value, str) or not at.value.startswith(_FILE):
            return at
        try:
            (file,) = self._files(at, at.value, what)[:1]
            if file.suffix not in (".yaml", ".yml", ".json"):
                raise Wrong(f"{what} {shown(at.value)} is no YAML and no JSON file")
            return read_yaml(file)
        except Wrong as wrong:
            self.notes.left_out.append(at.told(wrong))
            return replace(at, value=None)

    # -- prompts -------------------------------------------------------------------------------

    def _prompts(self) -> Iterator[_Prompt]:
        """Yield the prompts; those that cannot be carried over are noted."""
        given = self.config.get("prompts", "{{prompt}}")
        if isinstance(given.value, Mapping) and not {"id", "raw", "label"} & given.value.keys():
            entries = [replace(given[name], value=name) for name in given.value]  # file: label
        else:
            entries = list(given.each())
        for at in entries:
            entry = at.value
            label = ""
            if isinstance(entry, Mapping):
                label = str(entry.get("label") or "")
                entry = entry.get("raw") or entry.get("id") or entry.get("label")
            try:
                if not isinstance(entry, str) or not entry.strip():
                    raise Wrong("a prompt is a text or the name of a file", found=shown(at.value))
                texts = list(self._texts_of(at, entry))
            except Wrong as wrong:
                self.notes.count("prompt", False)
                self.notes.left_out.append(at.told(wrong))
                continue
            for text in texts:
                try:
                    prompt = _prompt_of(text, label, at)
                except Wrong as wrong:
                    self.notes.count("prompt", False)
                    self.notes.left_out.append(at.told(wrong))
                else:
                    self.notes.count("prompt", True)
                    yield prompt

    def _texts_of(self, at: Located, entry: str) -> Iterator[str]:
        """Yield the texts of an entry: itself, or those of files that it names. Raises Wrong."""
        if entry.startswith(_REMOTE):
            raise Wrong(f"the prompt stands on a server: {shown(entry)}", hint="save it as a file")
        last = entry.rpartition("/")[2]
        is_file = entry.startswith(_FILE) or (
            "\n" not in entry
            and (
                Path(last.split(":")[0]).suffix in (*_TEXTS, *_PROGRAMS, ".json", ".yaml", ".csv")
                or ("*" in entry and "/" in entry)
            )
        )
        if entry.startswith("exec:") or (is_file and _suffix(entry) in _PROGRAMS):
            hint = "write the prompt as a template, or print it to a file"
            raise Wrong(f"the prompt is made by a program: {shown(entry)}", hint=hint)
        if not is_file:
            yield entry
            return
        for file in self._files(at, entry, "the prompt"):
            if file.suffix in _PROGRAMS:
                raise Wrong(f"the prompt is made by a program: {shown(file.name)}")
            if file.suffix == ".csv":
                for row in read_rows(file, file.as_posix()):
                    yield str(row.values.get("prompt") or next(iter(row.values.values())))
                continue
            content = read_text(file)
            if file.suffix == ".jsonl":
                yield from filter(str.strip, content.splitlines())
            elif file.suffix in (".txt", ".prompt"):
                parts = re.split(r"^---[ \t]*$", content, flags=re.MULTILINE)
                yield from (part.strip() for part in parts if part.strip())
            else:
                yield content.strip()

    # -- tests ---------------------------------------------------------------------------------

    def _tests(self) -> Iterator[Located]:
        """Yield the tests of the configuration, of its files and of its scenarios, in order."""
        given = self.config.get("tests")
        if given.value is not None:
            for at in given.each():
                yield from self._tests_at(at)
        scenarios = self.config.get("scenarios")
        for at in scenarios.each() if scenarios.value is not None else ():
            scenario = self._file_value(at, "the scenario")
            for part in scenario.each():
                shared = part.get("config")
                tests = [test for each in part.get("tests").each() for test in self._tests_at(each)]
                for settings in shared.each() if isinstance(shared.value, list) else ():
                    own = settings.value if isinstance(settings.value, Mapping) else {}
                    for test in tests:
                        merged = {**own, **test.value}
                        for key in ("vars", "options", "metadata"):
                            if own.get(key) or test.value.get(key):
                                values = [_mapping(each.get(key)) for each in (own, test.value)]
                                merged[key] = {**values[0], **values[1]}
                        lists = [each.get("assert") or [] for each in (own, test.value)]
                        if any(lists):
                            odd = next((each for each in lists if not isinstance(each, list)), None)
                            # What is no list is told where assertions are read.
                            merged["assert"] = [*lists[0], *lists[1]] if odd is None else odd
                        yield replace(test, value=merged)

    def _tests_at(self, at: Located) -> Iterator[Located]:
        """Yield the tests that one entry stands for."""
        entry: Any = at.value
        if isinstance(entry, Mapping) and isinstance(entry.get("path"), str):
            entry = entry["path"]
        if isinstance(entry, Mapping):
            yield at
            return
        try:
            if not isinstance(entry, str):
                raise Wrong("a test is a mapping, or the name of a file", found=shown(entry))
            if entry.startswith(_REMOTE):
                raise Wrong(f"the tests stand on a server: {shown(entry)}", hint="save them as CSV")
            if _suffix(entry) in _PROGRAMS:
                hint = "print its tests to a JSON file, and name that"
                raise Wrong(f"the tests are made by a program: {shown(entry)}", hint=hint)
            files = self._files(at, entry, "the file of tests")
        except Wrong as wrong:
            self.notes.count("test", False)
            self.notes.left_out.append(at.told(wrong))
            return
        for file in files:
            name = file.as_posix()
            if file.suffix in (".yaml", ".yml", ".json"):
                for each in read_yaml(file).each():
                    yield from self._tests_at(each)
            elif file.suffix == ".jsonl":
                for line in read_json_lines(file):
                    if isinstance(line, Problem):
                        raise InputError(line)
                    yield from self._tests_at(Located(line.value, name, line=line.number))
            elif file.suffix == ".csv":
                for row in read_rows(file, name):
                    yield Located(_of_row(row.values), name, line=row.line)
            else:
                self.notes.count("test", False)
                hint = "save it as CSV" if file.suffix in (".xlsx", ".xls") else ""
                message = f"tests of a file {file.suffix or file.name} are not read"
                self.notes.left_out.append(at.problem(message, hint=hint))

    # -- cases ---------------------------------------------------------------------------------

    def _cases(
        self, test: Located, default: Located, prompts: Sequence[_Prompt], number: int
    ) -> list[tuple[dict[str, Any], str | None]]:
        """Return the cases of a test, one for each prompt and each choice of its variables.

        Beside each stands its recorded answer, where the test gives one.
        """
        base = default.value if isinstance(default.value, Mapping) else {}
        options = {**_mapping(base.get("options")), **_mapping(test.value.get("options"))}
        for key in test.value:
            if key not in _OF_TESTS:
                close = nearest(key, _OF_TESTS)
                message = f"the key {shown(key)} of a test is not known"
                self.notes.left_out.append(test[key].problem(message, did_you_mean=close))
        at = test
        try:
            for key in ("transform", "postprocess", "transformVars"):
                if options.get(key):
                    own = _mapping(test.value.get("options")).get(key)
                    at = (test if own else default)["options"][key]
                    what = "the answer" if key != "transformVars" else "its variables"
                    message = f"{key}: a program changes {what} before the assertions"
                    message += "" if own else ", of each test without one of its own"
                    hint = "leave it out, or write the check so that it reads the whole answer"
                    raise Wrong(message, hint=hint)
            if test.value.get("assertScoringFunction") or base.get("assertScoringFunction"):
                raise Wrong("assertScoringFunction: a program makes one score of all assertions")
            chosen = list(self._variables(test, default))
        except Wrong as wrong:
            for _ in (*self._asserts(default), *self._asserts(test)):
                self.notes.count("assertion", False)
            if (told := at.told(wrong)) not in self.notes.left_out:  # of `defaultTest` once
                self.notes.left_out.append(told)
            return []
        limited = _mapping(options).get("prompts") or test.value.get("prompts")
        allowed = limited if isinstance(limited, list) else None
        texts = [prompt for prompt in prompts if allowed is None or prompt.label in allowed]
        made: list[tuple[dict[str, Any], str | None]] = []
        counted = False
        for at_choice, variables in enumerate(chosen):
            # Each assertion is counted and told once, however many choices there are.
            notes = _Notes() if counted else self.notes
            checks, threshold = self._checks(test, default, variables, notes)
            counted = True
            if not checks:
                if at_choice == 0:
                    message = "the test has no assertion that could be carried over"
                    hint = "a case without a check tells nothing"
                    self.notes.left_out.append(test.problem(message, hint=hint))
                return []
            for at_prompt, prompt in enumerate(texts):
                unset = [name for name in prompt.names if name not in variables]
                values = [(name, variables.get(name)) for name in prompt.names]
                used = {name: "" if value is None else value for name, value in values}
                try:
                    case = self._case(test, prompt, used, options)
                except Wrong as wrong:
                    self.notes.left_out.append(test.told(wrong))
                    continue
                if unset and at_choice == 0:
                    message = f"no value for {', '.join(map(repr, unset))}: it is an empty text"
                    self.notes.differs.append(test.problem(message))
                case["id"] = _id_of(test, number, at_choice, len(chosen), at_prompt, len(texts))
                if threshold is not None:
                    case["threshold"] = threshold
                case["checks"] = literal(checks)
                recorded = test.value.get("providerOutput")
                made.append((case, recorded if isinstance(recorded, str) else None))
        return made

    def _case(
        self,
        test: Located,
        prompt: _Prompt,
        variables: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return what is said in a case. Raises Wrong where a template cannot be filled in."""
        parts = [prompt.system or "", prompt.user, prompt.prefix or ""]
        for text in (*parts, *(each for said in prompt.examples for each in said.values())):
            rendered(text, variables)  # what cannot be filled in is told with the test's line
        around = [options.get(key) or "" for key in ("prefix", "suffix")]
        user: str = prompt.user
        if any(around):
            user = f"{literal(around[0])}{prompt.user}{literal(around[1])}"
        case: dict[str, Any] = {"id": ""}
        if isinstance(found := test.value.get("metadata"), Mapping):
            values = ((key, each) for key, value in found.items() for each in _listed(value))
            tags = [f"{key}-{each}" for key, each in values if isinstance(each, str | int | float)]
            if tags:
                case["tags"] = [name_of(tag) for tag in tags]
        if variables:
            case["vars"] = dict(variables)
        if prompt.system is not None:
            case["system"] = prompt.system
        if prompt.examples:
            case["examples"] = [dict(said) for said in prompt.examples]
        case["user"] = user
        if prompt.prefix:
            case["prefix"] = prompt.prefix
        return case

    def _variables(self, test: Located, default: Located) -> Iterator[dict[str, Any]]:
        """Yield the variables of a test: a mapping for each choice from its lists. Raises Wrong."""
        given: dict[str, Located] = {}
        for source in (default, test):
            found = source.get("vars")
            if isinstance(found.value, str):
                found = self._file_value(found, "the variables")
            if found.value is None:
                continue
            if not isinstance(found.value, Mapping):
                raise Wrong("vars is no mapping of names to values", found=shown(found.value))
            given |= {str(name): found[name] for name in found.value}
        expand = not _mapping(test.value.get("options")).get("disableVarExpansion")
        lists: list[list[Any]] = []
        for name, at in given.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", name) or name in ("row", "haystack"):
                raise Wrong(f"{name!r} cannot be the name of a variable", hint="rename it")
            value = at.value
            if isinstance(value, str) and value.startswith(_FILE):
                lists.append(list(self._values_of(at, name, value)))
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

    def _values_of(self, at: Located, name: str, named: str) -> Iterator[Any]:
        if _suffix(named) in _PROGRAMS:
            raise Wrong(f"the variable {name!r} is made by a program: {shown(named)}")
        if _suffix(named) in _MEDIA:
            raise Wrong(f"the variable {name!r} is no text: {shown(named)}", hint="cases are texts")
        for file in self._files(at, named, f"the file of the variable {name!r}"):
            if file.suffix in (".yaml", ".yml"):
                yield read_yaml(file).value
            else:
                yield read_text(file).strip()

    # -- assertions ----------------------------------------------------------------------------

    def _asserts(self, source: Located) -> list[Located]:
        """Return the assertions of a test, or of the default test."""
        found = source.get("assert")
        found = self._file_value(found, "the assertions")
        listed = [each for each in found.each() if each.value is not None]
        return [self._file_value(each, "the assertion") for each in listed]

    def _checks(
        self, test: Located, default: Located, variables: Mapping[str, Any], notes: _Notes
    ) -> tuple[list[dict[str, Any]], float | None]:
        """Return the checks of a test, and its threshold; what has no counterpart is noted."""
        base = default.value if isinstance(default.value, Mapping) else {}
        inherits = not _mapping(test.value.get("options")).get("disableDefaultAsserts")
        given = [*(self._asserts(default) if inherits else ()), *self._asserts(test)]
        checks, lost = [], 0
        for at in given:
            before = len(notes.left_out)
            check = self._check(at, variables, notes)
            if check is not None:
                checks.append(check)
            lost += len(notes.left_out) > before
        bar = test.value.get("threshold", base.get("threshold"))
        threshold = float(bar) if isinstance(bar, int | float) and 0 <= bar <= 1 else None
        if bar is not None and threshold is None:
            message = "the threshold is no share from 0 to 1"
            notes.left_out.append(test.problem(message, found=shown(bar)))
        if threshold is not None and lost and checks:
            kept = f"is now that of {plural(len(checks), 'assertion')}; {lost} more left out"
            notes.differs.append(test.problem(f"the threshold {bar:g} {kept}"))
        return checks, threshold

    def _check(
        self, at: Located, variables: Mapping[str, Any], notes: _Notes
    ) -> dict[str, Any] | None:
        """Return one assertion as a check, or None; a set of assertions counts as those in it."""
        entry = at.value
        if isinstance(entry, Mapping) and isinstance(link := entry.get("$ref"), str):
            name = link.rpartition("/")[2]
            named = self.config.get("assertionTemplates").get(name)
            if named.value is None:
                known = _mapping(self.config.value.get("assertionTemplates"))
                message = f"the template {name!r} of an assertion is not there"
                notes.count("assertion", False)
                notes.left_out.append(at.problem(message, did_you_mean=nearest(name, known)))
                return None
            at = replace(named, value={**_mapping(named.value), **entry})
            entry = {key: value for key, value in at.value.items() if key != "$ref"}
        if isinstance(entry, Mapping) and entry.get("type") == "assert-set":
            return self._set(at, variables, notes)
        try:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
                found = shown(entry)
                raise Wrong("an assertion is a mapping with a type", found=found)
            check, differs = self._single(at, entry, variables)
        except Wrong as wrong:
            notes.count("assertion", False)
            problem = at.told(wrong)
            kind = entry.get("type") if isinstance(entry, Mapping) else None
            if isinstance(kind, str) and kind.removeprefix("not-") not in problem.message:
                problem = replace(problem, message=f"{kind}: {problem.message}")
            notes.left_out.append(problem)
            return None
        notes.count("assertion", True)
        if differs:
            notes.differs.append(at.problem(f"{entry['type']}: {differs}"))
        return check

    def _single(
        self, at: Located, entry: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> tuple[dict[str, Any], str]:
        """Return an assertion as a check, and where it differs. Raises Wrong."""
        written = str(entry["type"])
        kind = written.removeprefix("not-")
        if entry.get("rubricPrompt"):
            hint = "write what it asks as the value, or as the rubric of a `judge` check"
            raise Wrong(f"{written}: the judge is asked by a prompt of its own", hint=hint)
        for key in ("transform", "contextTransform"):
            if entry.get(key):
                message = f"{written}: its {key} is a program that changes what it reads"
                raise Wrong(message, found=shown(entry[key]))
        weight = entry.get("weight", 1)
        if not isinstance(weight, int | float) or isinstance(weight, bool) or weight < 0:
            raise Wrong("the weight is no number", found=shown(weight))
        if weight == 0:
            raise Wrong(f"{written}: it has weight 0, and decides nothing")
        bar = entry.get("threshold")
        if isinstance(bar, bool) or not isinstance(bar, int | float | None):
            raise Wrong("the threshold is no number", found=shown(bar))
        value = self._value(at, kind, entry.get("value"), variables)
        one = Assertion(kind, value, None if bar is None else float(bar), self.choices)
        check, differs = check_of(one)
        if written != kind:
            check = {"not": check}
        check = valid(check)
        return (check if weight == 1 else {**check, "weight": weight}), differs

    def _value(self, at: Located, kind: str, value: Any, variables: Mapping[str, Any]) -> Any:
        """Return the value of an assertion: templates filled in, files read. Raises Wrong."""
        if isinstance(value, list):
            return [self._value(at, kind, each, variables) for each in value]
        if not isinstance(value, str):
            return value
        if value.startswith(_FILE):
            if _suffix(value) in _PROGRAMS:
                raise Wrong(f"{kind}: its value is made by a program: {shown(value)}")
            (file,) = self._files(at, value, "the value")[:1]
            if file.suffix in (".yaml", ".yml", ".json"):
                return read_yaml(file).value
            return read_text(file)
        if (name := alone(value)) and not isinstance(variables.get(name, ""), str):
            return variables[name]
        if kind in ("javascript", "python", "ruby"):
            return value  # a program, and no template of ours
        text = rendered(value, variables)
        if kind in ("is-json", "contains-json") and text.strip():
            return read_document(at.path, text.encode()).value  # a schema, written as a text
        return text

    def _set(
        self, at: Located, variables: Mapping[str, Any], notes: _Notes
    ) -> dict[str, Any] | None:
        """Return a set of assertions: all of them, or so many that its threshold is reached."""
        inner = [each for each in at.get("assert").each() if each.value is not None]
        bar, weight = at.value.get("threshold"), at.value.get("weight", 1)
        found = [made for each in inner if (made := self._check(each, variables, notes))]
        if not found:
            return None
        try:
            check: dict[str, Any] = {"all_of": found}
            if bar is not None:
                weights = {each.get("weight", 1) for each in found}
                if not isinstance(bar, int | float) or isinstance(bar, bool) or not 0 < bar <= 1:
                    raise Wrong("assert-set: its threshold is no share above 0", found=shown(bar))
                if len(found) < len(inner):
                    lost = plural(len(inner) - len(found), "assertion")
                    raise Wrong(f"assert-set: its threshold {bar:g} counts {lost} that is left out")
                if len(weights) > 1:
                    raise Wrong("assert-set: its threshold counts assertions of different weights")
                number = max(1, math.ceil(bar * len(found) - 1e-9))
                check = {"at_least": {"n": number, "of": found}}
            if not isinstance(weight, int | float) or isinstance(weight, bool) or weight <= 0:
                raise Wrong("assert-set: its weight is no number above 0", found=shown(weight))
            check = valid(check)
        except Wrong as wrong:
            for _ in found:  # they were counted, and are lost with the set
                notes.counted["assertion"][0] -= 1
            notes.left_out.append(at.told(wrong))
            return None
        return check if weight == 1 else {**check, "weight": weight}


def _prompt_of(text: str, label: str, at: Located) -> _Prompt:
    """Return a prompt, of one text or of messages in JSON or YAML. Raises Wrong."""
    said: list[Any] | None = None
    stripped = text.strip()
    if stripped.startswith(("[", "- role:", "- content:")):
        try:
            found = read_document(at.path, stripped.encode()).value
        except InputError as error:
            if not stripped.startswith("[{") and not re.match(r"\[\s*\{\s*[\"']?role", stripped):
                found = None
            else:
                reason = "a template makes its JSON, or it is broken"
                where = error.problems[0]
                raise Wrong(
                    f"the messages of the prompt cannot be read: {reason}",
                    found=f"{where.message}, line {where.line}",
                ) from None
        said = found if isinstance(found, list) and found else None
    if said is None:
        template, names = jinja_of(text)
        _refuse_own(names)
        return _Prompt(label, at, None, (), Shared(template), None, names)
    plain = []
    for message in said:
        if not isinstance(message, Mapping):
            raise Wrong("a message is a mapping with role and content", found=shown(message))
        content = message.get("content")
        if isinstance(content, list):
            parts = [part for part in content if isinstance(part, Mapping)]
            other = next((part.get("type") for part in parts if part.get("type") != "text"), None)
            if other or len(parts) < len(content):
                raise Wrong(f"a message holds {shown(other)}: cases are texts")
            content = "\n".join(str(part.get("text", "")) for part in parts)
        role = message.get("role")
        plain.append({"role": "system" if role == "developer" else role, "content": content})
    turns = said_in(plain)
    used: set[str] = set()

    def jinja(template: str) -> Shared:
        made, names = jinja_of(template)
        _refuse_own(names)
        used.update(names)
        return Shared(made)

    *before, (user, prefix) = turns.turns
    examples = tuple(
        {"user": jinja(asked), "assistant": jinja(answer or "")} for asked, answer in before
    )
    system = jinja(turns.system) if turns.system is not None else None
    last = jinja(user)
    start = jinja(prefix) if prefix else None
    return _Prompt(label, at, system, examples, last, start, tuple(sorted(used)))


def _refuse_own(names: Sequence[str]) -> None:
    """Raise Wrong for variables that promptfoo itself gives to templates."""
    for name, reason in (
        ("_conversation", "it holds the answers to the tests before"),
        ("env", "it holds the environment"),
    ):
        if name in names:
            raise Wrong(f"the variable {name!r} of the prompt is promptfoo's own: {reason}")


def _of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the test that a row of CSV stands for."""
    test: dict[str, Any] = {"vars": {}, "assert": [], "options": {}, "metadata": {}}
    settings: dict[str, dict[str, Any]] = {}
    for name, cell in row.items():
        key = name.strip()
        if key.startswith("__expected"):
            if cell.strip():
                test["assert"].append((key, from_cell(cell)))
        elif key in ("__prefix", "__suffix"):
            test["options"][key.removeprefix("__")] = cell
        elif key in ("__description", "__providerOutput"):
            if cell.strip():
                test[key.removeprefix("__")] = cell
        elif key == "__threshold":
            if cell.strip():
                test["threshold"] = _number(cell)
        elif key.startswith("__metadata:"):
            name = key.removeprefix("__metadata:")
            if name.endswith("[]"):
                cells = next(csv.reader(io.StringIO(cell), escapechar="\\"), [])
                test["metadata"][name.removesuffix("[]")] = [part.strip() for part in cells]
            elif cell.strip():
                test["metadata"][name] = cell
        elif key.startswith("__config:"):
            whose, _, option = key.removeprefix("__config:").partition(":")
            if cell.strip():
                settings.setdefault(whose, {})[option] = _number(cell)
        elif key in ("__metric", "__metadata"):
            continue  # a name for promptfoo's page; `__metadata` alone is ignored there too
        else:
            test["vars"][key] = cell
    test["assert"] = [
        {**one, **settings.get("__expected", {}), **settings.get(key, {})}
        for key, one in test["assert"]
    ]
    return test


def _number(cell: str) -> Any:
    try:
        return float(cell)
    except ValueError:
        return cell


def _id_of(test: Located, number: int, choice: int, choices: int, prompt: int, prompts: int) -> str:
    """Return an id: of the description, or of the place of the test; then its choice and prompt."""
    said = test.value.get("description")
    try:
        name = name_of(str(said)[:80].lower()) if isinstance(said, str) else f"test-{number}"
    except Wrong:
        name = f"test-{number}"
    name = f"test-{number}" if name == "gate" else name
    name += f"-{choice + 1}" if choices > 1 else ""
    return f"{name}-p{prompt + 1}" if prompts > 1 else name


def _name_of_provider(value: Any) -> str:
    if isinstance(value, Mapping):
        named = value.get("id") or next(iter(value), "")
        return str(value.get("label") or named)
    return str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _suffix(named: str) -> str:
    """Return the ending of a file's name; a function may stand behind it: `make.py:prompt`."""
    last = named.rpartition("/")[2]
    return Path(last.split(":")[0]).suffix.lower()
