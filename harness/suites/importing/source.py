"""What the readers of public formats share: places, what is wrong with them, and the new suite."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness.common import InputError, Problem, plural, shown, visible, whole_file
from harness.common.reading import MAX_PROBLEMS, first_problems
from harness.common.validation import in_words
from harness.common.yaml_positions import Position, YamlDocument, read_yaml_file, reads_as_text
from harness.scorers import Answer, Context, parse_check
from harness.suites.load import load_suite
from harness.suites.rows import DataRow, find_file, read_rows
from harness.suites.templates import Loc, is_template
from harness.suites.values import Suite

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


class Wrong(Exception):
    """What is wrong with a row; the reader of the file adds the place."""

    def __init__(
        self,
        message: str,
        *,
        found: str = "",
        expected: str = "",
        did_you_mean: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.problem = Problem(
            message, found=found, expected=expected, did_you_mean=did_you_mean, hint=hint
        )


@dataclass(frozen=True)
class Located:
    """A value of a foreign file, and where it stands.

    A file of YAML or JSON has a document, in which `loc` is the way to the value; of other files
    the line is known, from 1.
    """

    value: Any
    path: str
    document: YamlDocument | None = None
    loc: Loc = ()
    line: int = 0

    def __getitem__(self, step: str | int) -> Located:
        return replace(self, value=self.value[step], loc=(*self.loc, step))

    def get(self, key: str, default: Any = None) -> Located:
        """Return what stands under a key; a value of its own where nothing does."""
        given = self.value if isinstance(self.value, Mapping) else {}
        return replace(self, value=given.get(key, default), loc=(*self.loc, key))

    def each(self) -> Iterator[Located]:
        """Return the entries of a list, or the value itself where it is none."""
        if not isinstance(self.value, list):
            yield self
            return
        for index in range(len(self.value)):
            yield self[index]

    @property
    def position(self) -> Position:
        """Return where it stands, or the nearest place around it that the file has."""
        if self.document is None:
            return Position(self.path, self.line, 0)
        return self.document.position(self.loc)

    def problem(
        self, message: str, *, found: str = "", did_you_mean: str = "", hint: str = ""
    ) -> Problem:
        """Return a problem of this place."""
        return self.told(Wrong(message, found=found, did_you_mean=did_you_mean, hint=hint))

    def told(self, wrong: Wrong) -> Problem:
        """Return what is wrong here."""
        at = self.position
        return replace(wrong.problem, path=at.path, line=at.line, column=at.column)


@dataclass
class Notes:
    """What there is to say of a foreign file, and what was counted, while it is read."""

    left_out: list[Problem] = field(default_factory=list)
    differs: list[Problem] = field(default_factory=list)
    decide: list[Problem] = field(default_factory=list)
    counted: dict[str, list[int]] = field(default_factory=dict)

    def count(self, noun: str, carried: bool) -> None:
        """Count one of a kind, and whether it was carried over."""
        done = self.counted.setdefault(noun, [0, 0])
        done[0] += carried
        done[1] += 1

    @property
    def carried(self) -> Mapping[str, tuple[int, int]]:
        """Return by noun how many were carried over, and of how many."""
        return {noun: (done, total) for noun, (done, total) in self.counted.items()}


def mapping_of(value: Any) -> Mapping[str, Any]:
    """Return a value of a foreign file if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def numbered(name: str, seen: Counter[str]) -> str:
    """Return a name that no case has yet: the second of a name ends in `-2`."""
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}-{seen[name]}"


def read_yaml(path: Path, *, tags: Collection[str] = (), hint: str = "") -> Located:
    """Return the value of a YAML or JSON file. Raises InputError with all that is wrong in it."""
    document = read_yaml_file(path, tags=tags, hint=hint)
    return Located(document.value, path.as_posix(), document)


def named_file(folder: Path, at: Located, relative: str, what: str, whose: str) -> Path:
    """Return a file in `folder` that a file of `whose` names `at` a place. Raises Wrong."""
    try:
        return find_file(folder, relative, what, whose)
    except InputError as error:
        problem = error.problems[0]
        said = {"did_you_mean": problem.did_you_mean, "hint": problem.hint}
        raise Wrong(problem.message, **said) from None


def rows_of(path: Path, suffixes: Sequence[str]) -> tuple[DataRow, ...]:
    """Read the rows of a file with one of the endings. Raises InputError."""
    if path.suffix not in suffixes:
        wanted = " or ".join(suffixes)
        raise InputError(Problem("the file has another ending", path.as_posix(), expected=wanted))
    return read_rows(path, path.as_posix())


@dataclass(frozen=True)
class Cases:
    """The cases of a file, and what is wrong with the rows that were left out."""

    made: tuple[dict[str, Any], ...]
    left_out: tuple[Problem, ...] = ()


def read_cases(
    path: Path,
    rows: Iterable[DataRow],
    read: Callable[[DataRow], dict[str, Any]],
    *,
    skip: bool = False,
) -> Cases:
    """Return what `read` makes of each row: mappings with an `id`.

    Raises InputError with the lines of all rows that are wrong (`read` raises Wrong); `skip` leaves
    them out as long as one is left. Two rows with the same id are always an error.
    """
    name = path.as_posix()
    made: list[tuple[int, dict[str, Any]]] = []
    problems: list[Problem] = []
    for row in rows:
        try:
            made.append((row.line, read(row)))
        except Wrong as wrong:
            problems.append(replace(wrong.problem, path=name, line=row.line))
    if problems and not (skip and made):
        raise InputError(*first_problems(problems, name))
    first: dict[str, int] = {}
    twice = [
        Problem(f"id {case['id']!r} stands in line {first[case['id']]} already", name, line)
        for line, case in made
        if first.setdefault(case["id"], line) != line
    ]
    if twice:
        raise InputError(*first_problems(twice, name))
    return Cases(tuple(case for _, case in made), tuple(problems))


def text_of(row: Mapping[str, Any], key: str) -> str:
    """Return the text under a key; blank ones and other values are wrong."""
    if key not in row:
        raise Wrong(f"{key!r} is missing", found=", ".join(map(str, row)))
    value = row[key]
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"{key!r} is no text", found=shown(value))
    return value


def name_of(value: object) -> str:
    """`value` as the id of a case: signs that ids cannot have become `-`."""
    name = _NOT_IN_NAMES.sub("-", str(value)).strip("-")[:200]
    if not name or isinstance(value, bool | list | dict | None):
        raise Wrong("the id is no text and no number", found=shown(value))
    return name


def valid(check: dict[str, Any]) -> dict[str, Any]:
    """Return the check itself, if a suite file may hold it."""
    try:
        parse_check(check)
    except ValidationError as error:
        faults = []
        for row in error.errors(include_url=False):
            parts = in_words(row, ".".join(map(str, row["loc"][1:])))
            fault = parts["message"].removeprefix(": ")
            if "expected" in parts:
                fault += f", {parts['found']}: {parts['expected']} is wanted"
            faults.append(fault)
        message = f"check {next(iter(check))!r} cannot be made: {'; '.join(faults)}"
        raise Wrong(message) from None
    return check


@dataclass(frozen=True)
class Rows:
    """Cases of one shape: `case` is the template, `rows` what it is filled with.

    `suffix` tells the data files of a suite apart; it is empty where there is one.
    """

    case: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    suffix: str = ""


@dataclass(frozen=True)
class Imported:
    """What a foreign file holds, as a suite: keys of the suite file, and its cases.

    `families` are cases that data files hold, `cases` those that stand in the suite file.
    `left_out` is what was not carried over, `differs` what is judged otherwise here, `decide` what
    a person must decide; each with its place. `carried` counts: a noun, how many of it were carried
    over, and of how many. `answers` are rows for the backend `replay`, `pairs` those for training
    with preferences, `confirmed` says whether the
    checks judge recorded answers as the other harness did. `origin` says what the file was.
    """

    category: str
    description: str
    families: tuple[Rows, ...] = ()
    cases: tuple[Mapping[str, Any], ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0})
    defaults: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[Problem, ...] = ()
    differs: tuple[Problem, ...] = ()
    decide: tuple[Problem, ...] = ()
    carried: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    answers: tuple[Mapping[str, Any], ...] = ()
    pairs: tuple[Mapping[str, Any], ...] = ()
    confirmed: str = ""
    origin: str = ""

    @property
    def told(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return headings with what is to be said under each, one line each."""
        sections = (
            ("Not carried over", self.left_out),
            ("Carried over, and judged otherwise", self.differs),
            ("A person must decide", self.decide),
        )
        return tuple((head, tuple(_merged(found))) for head, found in sections if found)

    @property
    def counted(self) -> str:
        """Say how much was carried over: "14 of 17 assertions, 5 of 5 tests"."""
        return ", ".join(
            f"{done:,} of {plural(total, noun)}" for noun, (done, total) in self.carried.items()
        )


def _merged(problems: Iterable[Problem]) -> Iterator[str]:
    """Say each problem in one line; those that differ in their place alone are one."""
    places: dict[Problem, list[str]] = {}
    for problem in problems:
        place = f"{problem.line}:{problem.column}" if problem.column else f"{problem.line or ''}"
        places.setdefault(replace(problem, line=0, column=0), []).append(place)
    for problem, lines in places.items():
        where = f"{problem.path}:{', '.join(dict.fromkeys(lines))}".rstrip(":")
        said = [problem.message]
        if problem.case:
            said.insert(0, problem.case)
        if problem.found:
            said.append(f"found {problem.found}")
        if problem.expected:
            said.append(f"wanted {problem.expected}")
        if problem.did_you_mean:
            said.append(f"did you mean {problem.did_you_mean}?")
        if problem.hint:
            said.append(problem.hint)
        told = "; ".join(said)
        yield " ".join(visible(f"{where}: {told}" if problem.path else told).split())


class Shared(str):
    """A text that several cases have: it stands once in the file, and others refer to it."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes what a suite file reads: texts of YAML 1.2, and shared texts once."""

    def ignore_aliases(self, data: Any) -> bool:
        return not isinstance(data, Shared)

    def generate_anchor(self, node: yaml.Node) -> str:
        self.last_anchor_id += 1
        return f"prompt{self.last_anchor_id}"


def _as_scalar(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None if reads_as_text(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=style)


_Dumper.add_representer(str, _as_scalar)
_Dumper.add_representer(Shared, _as_scalar)


def literal(value: Any) -> Any:
    """Return a value whose texts are taken as they are, where a suite file expects templates."""
    if isinstance(value, Mapping):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [literal(item) for item in value]
    if not isinstance(value, str) or not is_template(value):
        return value
    if "endraw" not in value:
        return f"{{% raw %}}{value}{{% endraw %}}"
    return re.sub(r"\{(?=[{%#])", "{{ '{' }}", value)  # each brace that could begin a mark


def families_of(cases: Iterable[Mapping[str, Any]]) -> tuple[Rows, ...]:
    """Return cases as rows with a template for each shape: their keys, and how many of a list.

    A case has `id`, `user` and `checks`, and may have `system`, `prefix`, `cluster`, `tags` (texts)
    and `examples` (pairs of `user` and `assistant`).
    """
    shapes: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for case in cases:
        counts = [len(case.get(key, ())) for key in ("tags", "examples")]
        shapes.setdefault((*case, *counts), []).append(case)
    families = []
    for number, alike in enumerate(shapes.values(), start=1):
        template: dict[str, Any] = {}
        for key, value in alike[0].items():
            if key == "tags":
                template[key] = [f"{{{{ row.tags[{at}] }}}}" for at in range(len(value))]
            elif key == "examples":
                template[key] = [
                    {role: f"{{{{ row.examples[{at}].{role} }}}}" for role in said}
                    for at, said in enumerate(value)
                ]
            else:
                template[key] = f"{{{{ row.{key} }}}}"
        families.append(Rows(template, tuple(alike), f"-{number}" if len(shapes) > 1 else ""))
    return tuple(families)


def confirmed(
    judged: Iterable[tuple[str, str, bool]],
    checks: Mapping[str, Mapping[str, Any]],
    whose: str,
    differs: list[Problem],
    path: Path,
) -> str:
    """Say whether checks judge recorded answers as another harness did.

    `judged`: a case, its answer, and whether that was right there. Those that are judged otherwise
    here are added to `differs`, at most `MAX_PROBLEMS` of them.
    """
    total = 0
    otherwise = []
    for case, text, right in judged:
        total += 1
        found = parse_check(dict(checks[case]))(Answer(text, text), Context())
        # An empty answer fails a case before any check reads it.
        passed = found.passed is True and bool(text.strip())
        if passed is not right:
            there = "right" if right else "wrong"
            otherwise.append(f"{case}: {there} for {whose}; here: {found.reason}")
    if not total:
        return ""
    shown_rows = otherwise[:MAX_PROBLEMS]
    differs += [Problem(message, path.as_posix()) for message in shown_rows]
    if len(otherwise) > len(shown_rows):
        more = f"{len(otherwise) - len(shown_rows):,} more answers are judged otherwise"
        differs.append(Problem(more, path.as_posix()))
    agreed = total - len(otherwise)
    return f"The checks judge {agreed:,} of {plural(total, 'recorded answer')} as {whose} did."


def write_suite(imported: Imported, path: Path, *, overwrite: bool = False) -> Suite:
    """Write `path` and its data files, and load them. Raises InputError where one exists.

    Rows of answers and pairs go beside it, to files that end in `-answers.jsonl`, `-pairs.jsonl`.
    """
    # Data files first: the suite file is there when all it needs is there.
    texts: dict[Path, str] = {}
    entries = []
    for family in imported.families:
        data = path.with_name(f"{path.stem}{family.suffix}.jsonl")
        entries.append({"path": data.name, "case": dict(family.case)})
        texts[data] = _lines(family.rows)
    keys: dict[str, Any] = {
        "suite": path.stem,
        "category": imported.category,
        "description": imported.description,
        "defaults": {"sampling": dict(imported.sampling), **imported.defaults},
        "gate": {"policy": "no_regression"},
    }
    if entries:
        keys["from_file"] = entries
    if imported.cases:
        keys["cases"] = [dict(case) for case in imported.cases]
    if imported.answers:
        texts[path.with_name(f"{path.stem}-answers.jsonl")] = _lines(imported.answers)
    if imported.pairs:
        texts[path.with_name(f"{path.stem}-pairs.jsonl")] = _lines(imported.pairs)
    head = [f"Imported from {visible(imported.origin)}."] if imported.origin else []
    if imported.counted:
        head.append(f"Carried over: {imported.counted}.")
    if imported.confirmed:
        head.append(imported.confirmed)
    for heading, lines in imported.told:
        head += ["", f"{heading}:", *(f"* {line}" for line in lines)]
    comments = "".join(f"# {line}".rstrip() + "\n" for line in head)
    body = yaml.dump(keys, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    texts[path] = comments + body
    if not overwrite:
        taken = [path for path in texts if path.exists()]
        if taken:
            hint = "choose another name with --out, or write over it with --force"
            raise InputError(*(Problem("the file exists", p.as_posix(), hint=hint) for p in taken))
    for file, text in texts.items():
        try:
            with whole_file(file) as stream:
                stream.write(text)
        except OSError as error:
            message, hint = f"cannot be written: {error.strerror}", "name another with --out"
            raise InputError(Problem(message, file.as_posix(), hint=hint)) from None
    return load_suite(path)


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
