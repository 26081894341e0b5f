"""The rows of a data file, each with its line: JSONL, JSON, CSV and Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.common import NUMBER_DIGITS, InputError, Problem, nearest, shown
from harness.common.reading import (
    MAX_BYTES,
    MAX_PROBLEMS,
    MAX_VALUES,
    json_decoder,
    read_text,
)
from harness.suites.rows import MAX_ROWS, DataRow, read_rows, too_many_rows

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
_SPACE = re.compile(r"[ \t\r\n]*")


def data_rows(path: Path, what: str = "training rows") -> tuple[DataRow, ...]:
    """Return all rows of a file, in order. In a Parquet file a row's number stands for its line.

    `what` is what messages call them. Raise InputError with all rows that cannot be read.
    """
    name = path.as_posix()
    if not path.is_file():
        if path.is_dir():
            message = "this is a folder"
            raise InputError(Problem(message, name, expected=f"a file of {what}"))
        siblings = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        beside = (path.parent / close).as_posix() if close else ""
        raise InputError(Problem("the file does not exist", name, did_you_mean=beside))
    if path.suffix not in SUFFIXES:
        wanted = ", ".join(SUFFIXES)
        raise InputError(Problem(f"{what} have another ending", name, expected=wanted))
    if path.suffix == ".parquet":
        return _parquet(path, name)
    return _json(path, name) if path.suffix == ".json" else read_rows(path, name)


# -- JSON ------------------------------------------------------------------------------------------


def _json(path: Path, name: str) -> tuple[DataRow, ...]:
    """Return a list of objects; or one object a line, as many files with this ending have it."""
    rows: list[DataRow] = []
    problems: list[Problem] = []
    for line, value in _values(read_text(path), name):
        if isinstance(value, dict):
            rows.append(DataRow(line, value))
        else:
            message, expected = "a row is a JSON object", '{"messages": []}'
            problems.append(Problem(message, name, line, found=shown(value), expected=expected))
        if len(rows) > MAX_ROWS or len(problems) > MAX_PROBLEMS:
            break
    if problems:
        raise InputError(*problems[:MAX_PROBLEMS])
    if len(rows) > MAX_ROWS:
        raise InputError(too_many_rows(name))
    if not rows:
        raise InputError(Problem("the data file has no rows", name))
    return tuple(rows)


def _values(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Yield the values of a list, or of a text that has one after the other, with their lines."""
    decoder = json_decoder(unique=True, digits=NUMBER_DIGITS)
    places = _Places(text)
    at = places.skip(0)
    listed = text[at : at + 1] == "["
    at = places.skip(at + 1) if listed else at
    while at < len(text) and not (listed and text[at] == "]"):
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise InputError(_syntax(error.msg, name, *places.of(error.pos))) from None
        except (ValueError, RecursionError) as error:
            said = "too many levels" if isinstance(error, RecursionError) else str(error)
            raise InputError(_syntax(said, name, *places.of(at))) from None
        yield places.of(at)[0], value
        at = places.after(end, name, listed=listed)
    if listed and places.skip(at + 1) < len(text):
        raise InputError(_syntax("more text behind the list", name, *places.of(at + 1)))
    if listed and at >= len(text):
        raise InputError(_syntax("the list does not end", name, *places.of(len(text))))


class _Places:
    """Lines and columns of a text; asked for in rising order, each line break is counted once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._line, self._counted = 1, 0

    def of(self, at: int) -> tuple[int, int]:
        """Return line and column, both from 1."""
        self._line += self.text.count("\n", self._counted, at)
        self._counted = at
        return self._line, at - self.text.rfind("\n", 0, at)

    def skip(self, at: int) -> int:
        """Return the next place that is no white space."""
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def after(self, end: int, name: str, *, listed: bool) -> int:
        """Return where the next value begins, or the end."""
        at = self.skip(end)
        if not listed or self.text[at : at + 1] in ("]", ""):
            return at
        if self.text[at] != ",":
            raise InputError(_syntax("a comma is missing", name, *self.of(at)))
        return self.skip(at + 1)


def _syntax(said: str, name: str, line: int, column: int) -> Problem:
    return Problem(f"not valid JSON: {said}", name, line, column)


# -- Parquet ---------------------------------------------------------------------------------------


_BATCH = 256  # rows


def _parquet(path: Path, name: str) -> tuple[DataRow, ...]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        hint = "pip install 'lora-regression-harness[train]', or save the rows as JSONL"
        raise InputError(Problem("reading Parquet needs pyarrow", name, hint=hint)) from None
    broken = import_module("pyarrow.lib").ArrowException
    values: list[dict[str, Any]] = []
    size = 0
    try:
        with parquet.ParquetFile(path) as file:
            # Some at a time: a value that is kept once can stand in millions of rows.
            for batch in file.iter_batches(batch_size=_BATCH):
                size += batch.nbytes
                if size > MAX_BYTES or len(values) > MAX_VALUES:
                    unpacked = f"{MAX_BYTES // 2**20} MiB or {MAX_VALUES:,} rows"
                    message = f"it is larger than {unpacked} when it is unpacked"
                    raise InputError(Problem(message, name, hint="split it into several files"))
                values += batch.to_pylist()
    except (broken, ValueError, OSError, OverflowError) as error:
        said = str(error).partition("\n")[0][:200]
        raise InputError(Problem(f"not valid Parquet: {said}", name)) from None
    if not values:
        raise InputError(Problem("the data file has no rows", name))
    return tuple(DataRow(number, row) for number, row in enumerate(values, start=1))
