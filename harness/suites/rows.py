"""Rows of a data file: JSONL or CSV, each with its line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from harness.common import NUMBER_DIGITS, InputError, Problem, nearest, shown
from harness.common.reading import decoded, first_problems, inside, parse_json, read_bytes

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
    found = list(islice(_READERS[path.suffix](decoded(name, data), name), MAX_ROWS + 1))
    if len(found) > MAX_ROWS:
        raise InputError(too_many_rows(name))
    wrong = [item for item in found if isinstance(item, Problem)]
    if wrong:
        raise InputError(*first_problems(wrong, name))
    if not found:
        raise InputError(Problem("the data file has no rows", path=name))
    return tuple(item for item in found if isinstance(item, DataRow))


def too_many_rows(name: str) -> Problem:
    """Return the problem of a file of more rows than are read."""
    return Problem(f"more than {MAX_ROWS:,} rows", name, hint="split it into several files")


def _jsonl(text: str, name: str) -> Iterator[DataRow | Problem]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
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
    found: list[DataRow | Problem] = []
    before = csv.field_size_limit(CELL_CHARACTERS)  # a setting of the whole process
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    head: list[str] = []
    line = 1
    try:
        for cells in reader:
            if cells and not head:
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
                    found.append(Problem(said, name, line))
            elif cells and len(cells) != len(head):
                count, expected = str(len(cells)), f"{len(head)}, as in the head"
                message = "wrong number of cells"
                found.append(Problem(message, name, line, found=count, expected=expected))
            elif cells:
                found.append(DataRow(line, dict(zip(head, cells, strict=True))))
            if len(found) > MAX_ROWS:
                break
            line = reader.line_num + 1
    except csv.Error as error:
        found.append(Problem(f"not valid CSV: {error}", name, line))
    finally:
        csv.field_size_limit(before)
    yield from found


_READERS: dict[str, Read] = {".csv": _csv, ".jsonl": _jsonl}
