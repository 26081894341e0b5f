"""Rows of a data file: JSONL or CSV, each with its line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.common import NUMBER_DIGITS, InputError, Problem, nearest, shown
from harness.common.reading import (
    MAX_PROBLEMS,
    decoded,
    first_problems,
    inside,
    parse_json,
    read_bytes,
)

CELL_CHARACTERS = 4_000_000
MAX_ROWS = 1_000_000  # of one file: `{}` is three bytes there and two hundred in memory

Read = Callable[[str, str], "Iterator[DataRow | Problem]"]


@dataclass(frozen=True, slots=True)
class DataRow:
    """One row and the line on which it begins."""

    line: int
    values: dict[str, Any]


def find_data(folder: Path, relative: str) -> Path:
    """Return the data file of a suite in `folder`. Raises InputError without a place."""
    path = find_file(folder, relative)
    if path.suffix not in _READERS:
        expected = ".jsonl, one JSON object a line, or .csv with a head"
        problem = Problem("a data file is .jsonl or .csv", found=shown(relative), expected=expected)
        raise InputError(problem)
    return path


def find_file(
    folder: Path, relative: str, what: str = "data file", whose: str = "the suite"
) -> Path:
    """Return a file that one in `folder` names. Raises InputError without a place.

    What names it may come from somebody else: nothing outside of its own folder is read.
    """
    path = folder / relative
    what = f"{what} {shown(relative)}"
    hint = f"put it beside {whose} file, or below"
    inside(folder, path, what, f"{whose}'s folder", hint=hint)
    if not path.is_file():
        # Perhaps its name is wrong, perhaps it was said from another folder.
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        beside = (path.parent / close).relative_to(folder).as_posix() if close else ""
        if (folder / path.name).is_file():
            beside = path.name
        hint = "" if close else f"the path is that from {whose} file's own folder"
        raise InputError(Problem(f"{what} does not exist", did_you_mean=beside, hint=hint))
    return path


def read_rows(path: Path, name: str) -> tuple[DataRow, ...]:
    """Read all rows, in order; `name` is the path in messages. Raises InputError."""
    try:
        data = read_bytes(path)
    except InputError as error:
        raise InputError(*(replace(problem, path=name) for problem in error.problems)) from None
    rows: list[DataRow] = []
    wrong: list[Problem] = []
    left_out = 0
    for item in _READERS[path.suffix](decoded(name, data), name):
        if isinstance(item, DataRow):
            rows.append(item)
        elif len(wrong) < MAX_PROBLEMS:
            wrong.append(item)
        else:
            left_out += 1
        if len(rows) + len(wrong) + left_out > MAX_ROWS:
            raise InputError(too_many_rows(name))
    if wrong:
        raise InputError(*first_problems(wrong, name, left_out))
    if not rows:
        raise InputError(Problem("the data file has no rows", path=name))
    return tuple(rows)


def too_many_rows(name: str) -> Problem:
    """Return the problem of a file of more rows than are read."""
    return Problem(f"more than {MAX_ROWS:,} rows", name, hint="split it into several files")


def _too_many_blank(name: str, line: int) -> Problem:
    return Problem(f"more than {MAX_ROWS:,} blank lines", name, line, hint="take them out")


def _jsonl(text: str, name: str) -> Iterator[DataRow | Problem]:
    blank = 0
    for line, written in enumerate(io.StringIO(text, newline="\n"), start=1):
        content = written.removesuffix("\n")
        if not content.strip():
            blank += 1
            if blank > MAX_ROWS:
                yield _too_many_blank(name, line)
                return
            continue
        try:
            row = parse_json(content, name, line=line, unique=True, digits=NUMBER_DIGITS)
        except InputError as error:
            yield error.problems[0]
        else:
            if isinstance(row, dict):
                yield DataRow(line, row)
            else:
                expected = 'a JSON object, like {"id": 1}'
                message = "a row is a JSON object"
                yield Problem(message, name, line, found=shown(row), expected=expected)


def _csv(text: str, name: str) -> Iterator[DataRow | Problem]:
    before = csv.field_size_limit(CELL_CHARACTERS)  # a setting of the whole process
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    head: list[str] = []
    line, blank = 1, 0
    try:
        for cells in reader:
            if not cells:
                blank += 1
                if blank > MAX_ROWS:
                    yield _too_many_blank(name, line)
                    return
            elif not head:
                head = cells
                other = next((s for s in (";", "\t") if len(cells) == 1 and s in cells[0]), "")
                if other:
                    what = "tabs" if other == "\t" else "semicolons"
                    message = f"the columns are divided by {what}"
                    hint = "save it as CSV with commas, or as JSONL"
                    yield Problem(message, name, line, expected="commas", hint=hint)
                    return
                for column in sorted(c for c, n in Counter(head).items() if n > 1 or not c.strip()):
                    twice = f"column {column!r} stands twice"
                    said = twice if column.strip() else "a column without a name"
                    yield Problem(said, name, line)
            elif len(cells) != len(head):
                count, expected = str(len(cells)), f"{len(head)}, as in the head"
                message = "wrong number of cells"
                yield Problem(message, name, line, found=count, expected=expected)
            else:
                yield DataRow(line, dict(zip(head, cells, strict=True)))
            line = reader.line_num + 1
    except csv.Error as error:
        yield Problem(f"not valid CSV: {error}", name, line)
    finally:
        csv.field_size_limit(before)


_READERS: dict[str, Read] = {".csv": _csv, ".jsonl": _jsonl}
