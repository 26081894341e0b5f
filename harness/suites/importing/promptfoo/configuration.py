"""A configuration of promptfoo and the files that it names: its prompts and its tests."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem, nearest, shown
from harness.common.reading import read_json_lines, read_text
from harness.common.yaml_positions import read_document
from harness.suites.importing.conversations import said_in
from harness.suites.importing.promptfoo.assert_types import from_cell
from harness.suites.importing.promptfoo.nunjucks import jinja_of
from harness.suites.importing.source import (
    Located,
    Notes,
    Shared,
    Wrong,
    mapping_of,
    named_file,
    read_yaml,
)
from harness.suites.rows import read_rows

FILE = "file://"
_MAX_FILES = 1000  # that one pattern of file names may stand for
_REMOTE = ("langfuse://", "portkey://", "helicone://", "http://", "https://", "huggingface://")
_PROGRAMS = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".sh", ".bash", ".pl")
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


@dataclass(frozen=True)
class PromptTemplate:
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


def suffix_of(named: str) -> str:
    """Return the ending of a file's name; a function may stand behind it: `make.py:prompt`."""
    last = named.rpartition("/")[2]
    return Path(last.split(":")[0]).suffix.lower()


def is_program(named: str) -> bool:
    """Return whether a file's name, perhaps with a function behind it, is that of a program."""
    return suffix_of(named) in _PROGRAMS


@dataclass(frozen=True)
class Configuration:
    """One configuration and the files that it names, all in its own folder.

    What cannot be carried over is noted in `notes`, and left out.
    """

    path: Path
    keys: Located
    notes: Notes = field(default_factory=Notes)

    def note_keys(self) -> None:
        """Note the keys that say nothing of the cases, or are not known."""
        for key in self.keys.value:
            at = self.keys[key]
            close = hint = ""
            if key in ("providers", "targets"):
                named = []
                for each in at.each():
                    spec = each.value
                    if isinstance(spec, Mapping):
                        spec = spec.get("label") or spec.get("id") or next(iter(spec), "")
                    named.append(str(spec))
                message = f"{key}: the models that are asked: {', '.join(named)[:300]}"
                hint = "choose with --model, --adapter or --backend openai (docs/servers.md)"
            elif key in _OF_RUNS:
                message = f"{key}: {_OF_RUNS[key]}"
            elif key not in _READ:
                message = f"the key {shown(key)} is not known"
                close = nearest(key, (*_READ, *_OF_RUNS))
            else:
                continue
            self.notes.left_out.append(at.problem(message, did_you_mean=close, hint=hint))

    # -- files ---------------------------------------------------------------------------------

    def files(self, at: Located, named: str, what: str) -> list[Path]:
        """Return the files of the project that a name or a pattern stands for. Raises Wrong."""
        folder = self.path.parent
        relative = named.removeprefix(FILE)
        if not any(sign in relative for sign in "*?["):
            return [named_file(folder, at, relative, what, "the configuration")]
        if ".." in Path(relative).parts or Path(relative).is_absolute():
            raise Wrong(f"{what} {shown(relative)} is outside of the configuration's folder")
        found = sorted(
            path for path in itertools.islice(folder.glob(relative), 50_000) if path.is_file()
        )
        if not found:
            raise Wrong(f"no file is called {shown(relative)}")
        if len(found) > _MAX_FILES:
            raise Wrong(f"{shown(relative)} stands for more than {_MAX_FILES} files")
        inside = folder.resolve()
        return [path for path in found if path.resolve().is_relative_to(inside)]

    def resolved(self, at: Located, what: str) -> Located:
        """Return a value, or what the file holds that stands in its place (`file://x.yaml`)."""
        if not isinstance(at.value, str) or not at.value.startswith(FILE):
            return at
        try:
            (file,) = self.files(at, at.value, what)[:1]
            if file.suffix not in (".yaml", ".yml", ".json"):
                raise Wrong(f"{what} {shown(at.value)} is no YAML and no JSON file")
            return read_yaml(file)
        except Wrong as wrong:
            self.notes.left_out.append(at.told(wrong))
            return replace(at, value=None)

    # -- prompts -------------------------------------------------------------------------------

    def prompts(self) -> Iterator[PromptTemplate]:
        """Yield the prompts; those that cannot be carried over are noted."""
        given = self.keys.get("prompts", "{{prompt}}")
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
        is_file = entry.startswith(FILE) or (
            "\n" not in entry
            and (
                Path(last.split(":")[0]).suffix in (*_TEXTS, *_PROGRAMS, ".json", ".yaml", ".csv")
                or ("*" in entry and "/" in entry)
            )
        )
        if entry.startswith("exec:") or (is_file and is_program(entry)):
            hint = "write the prompt as a template, or print it to a file"
            raise Wrong(f"the prompt is made by a program: {shown(entry)}", hint=hint)
        if not is_file:
            yield entry
            return
        for file in self.files(at, entry, "the prompt"):
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

    def tests(self) -> Iterator[Located]:
        """Yield the tests of the configuration, of its files and of its scenarios, in order."""
        given = self.keys.get("tests")
        if given.value is not None:
            for at in given.each():
                yield from self._tests_at(at)
        scenarios = self.keys.get("scenarios")
        for at in scenarios.each() if scenarios.value is not None else ():
            for part in self.resolved(at, "the scenario").each():
                shared = part.get("config")
                tests = [test for each in part.get("tests").each() for test in self._tests_at(each)]
                for settings in shared.each() if isinstance(shared.value, list) else ():
                    own = mapping_of(settings.value)
                    for test in tests:
                        merged = {**own, **test.value}
                        for key in ("vars", "options", "metadata"):
                            if own.get(key) or test.value.get(key):
                                values = [mapping_of(each.get(key)) for each in (own, test.value)]
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
            if is_program(entry):
                hint = "print its tests to a JSON file, and name that"
                raise Wrong(f"the tests are made by a program: {shown(entry)}", hint=hint)
            files = self.files(at, entry, "the file of tests")
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

    def asserts(self, test: Located) -> list[Located]:
        """Return the assertions of a test, or of the default test."""
        found = self.resolved(test.get("assert"), "the assertions")
        listed = [each for each in found.each() if each.value is not None]
        return [self.resolved(each, "the assertion") for each in listed]


def _prompt_of(text: str, label: str, at: Located) -> PromptTemplate:
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
        return PromptTemplate(label, at, None, (), Shared(template), None, names)
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
    return PromptTemplate(label, at, system, examples, last, start, tuple(sorted(used)))


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
