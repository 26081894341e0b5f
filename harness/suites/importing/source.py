"""What the readers of public formats share: rows with their lines, and what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness.common import InputError, Problem, shown
from harness.common.validation import in_words
from harness.scorers import parse_check
from harness.suites.load import load_suite
from harness.suites.rows import DataRow, first_of, read_rows
from harness.suites.values import Suite

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


class Wrong(Exception):
    """What is wrong with a row; the reader of the file adds the place."""

    def __init__(
        self, message: str, *, found: str = "", expected: str = "", did_you_mean: str = ""
    ) -> None:
        super().__init__(message)
        self.problem = Problem(message, found=found, expected=expected, did_you_mean=did_you_mean)


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
        raise InputError(*first_of(problems, name))
    first: dict[str, int] = {}
    twice = [
        Problem(f"id {case['id']!r} stands in line {first[case['id']]} already", name, line)
        for line, case in made
        if first.setdefault(case["id"], line) != line
    ]
    if twice:
        raise InputError(*first_of(twice, name))
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
    """What a foreign file holds, as a suite: keys of the suite file, and the rows of its cases.

    `left_out`: what is wrong with the rows that make no case.
    """

    category: str
    description: str
    families: tuple[Rows, ...]
    sampling: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0})
    left_out: tuple[Problem, ...] = ()


def write_suite(imported: Imported, path: Path, *, overwrite: bool = False) -> Suite:
    """Write `path` and its data files, and load them. Raises InputError where one exists."""
    # Data files first: the suite file is there when all it needs is there.
    texts: dict[Path, str] = {}
    entries = []
    for family in imported.families:
        data = path.with_name(f"{path.stem}{family.suffix}.jsonl")
        entries.append({"path": data.name, "case": dict(family.case)})
        texts[data] = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in family.rows)
    keys = {
        "suite": path.stem,
        "category": imported.category,
        "description": imported.description,
        "defaults": {"sampling": dict(imported.sampling)},
        "gate": {"policy": "no_regression"},
        "from_file": entries,
    }
    texts[path] = yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=100)
    if not overwrite:
        taken = [path for path in texts if path.exists()]
        if taken:
            hint = "choose another name with --out, or write over it with --force"
            raise InputError(*(Problem("the file exists", p.as_posix(), hint=hint) for p in taken))
    for file, text in texts.items():
        try:
            file.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise InputError(
                Problem(f"cannot be written: {error.strerror}", file.as_posix())
            ) from None
    return load_suite(path)
