"""Rows of a data file: JSONL or CSV, each with its line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import InputError, Problem, nearest

CELL_CHARACTERS = 4_000_000


def data_file(suite: Path, relative: str, place: Problem) -> Path:
    """The data file beside the suite. Raises InputError at `place`.

    A suite may come from somebody else, so it reads nothing outside of its own folder.
    """
    path = suite.parent / relative
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts or not _inside(path, suite.parent):
        raise InputError(_at(place, f"data file {relative!r} is outside of the suite's folder"))
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        raise InputError(
            _at(
                place,
                f"data file {relative!r} does not exist",
                did_you_mean=str(pure.with_name(close)) if close else "",
            )
        )
    if path.suffix not in (".jsonl", ".csv"):
        raise InputError(_at(place, f"data file {relative!r} is not known", wanted=".jsonl, .csv"))
    return path


def read_rows(path: Path, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line and row, in order; `name` is the path in messages. Raises InputError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            Problem("the file is not UTF-8", path=name, mend="save it as UTF-8")
        ) from None
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", path=name)) from None
    return _csv(text, name) if path.suffix == ".csv" else _jsonl(text, name)


def _jsonl(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    problems = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            column = getattr(error, "colno", 0)
            what = getattr(error, "msg", str(error))
            problems.append(Problem(f"not valid JSON: {what}", path=name, line=line, column=column))
            continue
        if isinstance(row, dict):
            yield line, row
        else:
            problems.append(Problem("a row must be a JSON object", path=name, line=line))
    if problems:
        raise InputError(*problems)


def _csv(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(CELL_CHARACTERS)
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                wanted = f"{len(reader.fieldnames or ())} cells"
                problem = Problem(
                    "the row has another number of cells than the head",
                    path=name,
                    line=reader.line_num,
                    wanted=wanted,
                )
                raise InputError(problem)
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(
            Problem(f"not valid CSV: {error}", path=name, line=reader.line_num)
        ) from None


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _at(place: Problem, message: str, **parts: str) -> Problem:
    return Problem(message, place.path, place.line, place.column, place.case, **parts)
