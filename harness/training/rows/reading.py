"""From files in any shape to training rows: read, converted, validated, drawn."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.common import InputError, Message, Messages, Problem
from harness.suites.rows import Row as DataRow
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
    """As `read_rows`; `skip` leaves out the rows that are wrong, as long as one is left."""
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


def _read_file(file: RowFile, seed: int, skip: bool) -> RowReading:
    rows: list[TrainingRow] = []
    problems: list[Problem] = []
    for row in data_rows(file.path):
        try:
            rows.append(_row(row, file))
        except InputError as error:
            name = file.path.as_posix()
            problems.append(replace(error.problems[0], path=name, line=row.line))
    problems = _placed(problems, file.path)
    if problems and not (skip and rows):
        raise InputError(*first_of(problems, file.path.as_posix()))
    return RowReading(tuple(_drawn(rows, file, seed)), tuple(problems))


def _row(row: DataRow, file: RowFile) -> TrainingRow:
    messages = _with_system(converted(row.values), file.system)
    check(messages)
    source = f"{file.path.as_posix()}:{row.line}"
    return TrainingRow(messages, source, replay=file.replay, group=group_of(row.values))


def _with_system(messages: Messages, system: str | None) -> Messages:
    if system is None or (messages and messages[0].role == "system"):
        return messages
    return (Message("system", system), *messages)


# What a problem is about, where it has a place in the line: a key, or a template's mark.
_KEY = re.compile(r"^(?:key )?'(\w+)' is n")


def _placed(problems: list[Problem], path: Path) -> list[Problem]:
    """Return the problems with their columns, as far as a JSONL file shows them."""
    lines = lines_of(path) if problems else ()
    return [_with_column(problem, lines) for problem in problems]


def _with_column(problem: Problem, lines: tuple[str, ...]) -> Problem:
    key = _KEY.match(problem.message)
    text = f'"{key[1]}"' if key else problem.found if marks_in(problem.found) else ""
    if not lines or not text:
        return problem
    return replace(problem, column=lines[problem.line - 1].find(text) + 1)


def _drawn(rows: list[TrainingRow], file: RowFile, seed: int) -> list[TrainingRow]:
    if file.count is None:
        return rows
    if file.count > len(rows):
        message = f"{file.count} rows are asked for"
        found = f"{len(rows)} rows"
        raise InputError(Problem(message, file.path.as_posix(), found=found))
    rng = random.Random(f"rows/{file.path.name}/{seed}")
    return [rows[at] for at in sorted(rng.sample(range(len(rows)), file.count))]
