"""From files in any shape to training rows: read, converted, validated, drawn."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.common import InputError, Message, Problem
from harness.suites.rows import first_of
from harness.training.rows.files import RowFile, data_rows, lines_of, parse_spec
from harness.training.rows.shapes import check, converted, group_of, marks_in
from harness.training.values import TrainingRow

Spec = str | Path | RowFile


@dataclass(frozen=True)
class RowReading:
    """The rows, and what is wrong with those that were left out."""

    rows: tuple[TrainingRow, ...]
    left_out: tuple[Problem, ...] = ()


def read_rows(specs: Iterable[Spec], seed: int = 0) -> tuple[TrainingRow, ...]:
    """Return the rows of all files, in the order of the files and of their rows.

    A file is `PATH`, `PATH#COUNT` or a `RowFile`. Raise InputError with the lines of all rows
    that are wrong, in all files.
    """
    return read(specs, seed).rows


def read(specs: Iterable[Spec], seed: int = 0, *, skip: bool = False) -> RowReading:
    """Read as `read_rows` does; `skip` leaves out rows that are wrong, as long as one is left."""
    rows: list[TrainingRow] = []
    left_out: list[Problem] = []
    problems: list[Problem] = []
    for spec in specs:
        try:
            found = _read_file(spec if isinstance(spec, RowFile) else parse_spec(spec), seed, skip)
            rows += found.rows
            left_out += found.left_out
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return RowReading(tuple(rows), tuple(left_out))


# What a problem is about, where it has a place in the line: a key, or a template's mark.
_KEY = re.compile(r"^(?:key )?'(\w+)' is n")


def _read_file(file: RowFile, seed: int, skip: bool) -> RowReading:
    name = file.path.as_posix()
    rows: list[TrainingRow] = []
    problems: list[Problem] = []
    for row in data_rows(file.path):
        try:
            messages = converted(row.values)
            if file.system is not None and (not messages or messages[0].role != "system"):
                messages = (Message("system", file.system), *messages)
            check(messages)
        except InputError as error:
            problems.append(replace(error.problems[0], path=name, line=row.line))
        else:
            source, group = f"{name}:{row.line}", group_of(row.values)
            rows.append(TrainingRow(messages, source, replay=file.replay, group=group))
    lines = lines_of(file.path) if problems else ()
    for at, problem in enumerate(problems):  # their columns, as far as a JSONL file shows them
        key = _KEY.match(problem.message)
        text = f'"{key[1]}"' if key else problem.found if marks_in(problem.found) else ""
        if lines and text:
            problems[at] = replace(problem, column=lines[problem.line - 1].find(text) + 1)
    if problems and not (skip and rows):
        raise InputError(*first_of(problems, name))
    if file.count is not None:
        if file.count > len(rows):
            message = f"{file.count} rows are asked for"
            raise InputError(Problem(message, name, found=f"{len(rows)} rows"))
        rng = random.Random(f"rows/{file.path.name}/{seed}")
        rows = [rows[at] for at in sorted(rng.sample(range(len(rows)), file.count))]
    return RowReading(tuple(rows), tuple(problems))
