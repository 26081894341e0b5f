"""From files in any shape to training rows: read, converted, validated, drawn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from harness.common import InputError, Message, Problem
from harness.common.reading import first_problems
from harness.suites.data_files import data_rows
from harness.training.rows.files import RowFile, lines_of, parse_spec
from harness.training.rows.meaning import RowError
from harness.training.rows.preferences import preference, prefers, rated
from harness.training.rows.shapes import converted, group_of
from harness.training.rows.valid import check, marks_in
from harness.training.values import LabelledAnswer, Pair, TrainingRow

Spec = str | Path | RowFile
T = TypeVar("T")
MOST_KEYS = 10_000  # of a row: each is held against the known ones
MOST_PROBLEMS = 2_000  # of a file, before the rest of it is left unread


@dataclass(frozen=True)
class RowReading:
    """The rows, and what is wrong with those that were left out."""

    rows: tuple[TrainingRow, ...]
    left_out: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class PreferenceReading:
    """Pairs of answers, answers that are rated one by one, and what is wrong with other rows."""

    pairs: tuple[Pair, ...]
    answers: tuple[LabelledAnswer, ...]
    left_out: tuple[Problem, ...] = ()


def read_rows(specs: Iterable[Spec], seed: int = 0) -> tuple[TrainingRow, ...]:
    """Return the rows of all files, in the order of the files and of their rows.

    A file is `PATH`, `PATH#COUNT` or a `RowFile`. Raise InputError with the lines of all rows
    that are wrong, in all files.
    """
    return read(specs, seed).rows


def read(specs: Iterable[Spec], seed: int = 0, *, skip: bool = False) -> RowReading:
    """Read as `read_rows` does; `skip` leaves out rows that are wrong, as long as one is left."""

    def make(values: Mapping[str, Any], source: str, file: RowFile) -> TrainingRow:
        found = converted(values)
        messages, untaught = found.messages, found.untaught
        if file.system is not None and (not messages or messages[0].role != "system"):
            messages = (Message("system", file.system), *messages)
            untaught = tuple(at + 1 for at in untaught)
        check(messages, found.tools)
        if untaught and not any(
            message.role == "assistant" and at not in untaught
            for at, message in enumerate(messages)
        ):
            raise RowError("no answer of the row is to be learned", hint="take it out")
        group = group_of(values)
        return TrainingRow(messages, source, file.replay, group, untaught, found.tools)

    return RowReading(*_read(specs, seed, make, skip=skip))


def read_preferences(
    specs: Iterable[Spec], seed: int = 0, *, skip: bool = False
) -> PreferenceReading:
    """Read files of pairs of answers, and of rated answers, as `read` does those of rows."""

    def make(values: Mapping[str, Any], source: str, file: RowFile) -> Pair | LabelledAnswer:
        return (preference if prefers(values) else rated)(values, source, file.system)

    found, left_out = _read(specs, seed, make, skip=skip)
    pairs = tuple(one for one in found if isinstance(one, Pair))
    answers = tuple(one for one in found if isinstance(one, LabelledAnswer))
    return PreferenceReading(pairs, answers, left_out)


def _read(
    specs: Iterable[Spec],
    seed: int,
    make: Callable[[Mapping[str, Any], str, RowFile], T],
    *,
    skip: bool,
) -> tuple[tuple[T, ...], tuple[Problem, ...]]:
    """Return what `make` makes of all rows of all files, and what is wrong with those left out."""
    made: list[T] = []
    left_out: list[Problem] = []
    problems: list[Problem] = []
    for spec in specs:
        try:
            file = spec if isinstance(spec, RowFile) else parse_spec(spec)
            found, wrong = _read_file(file, seed, make, skip=skip)
            made += found
            left_out += wrong
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return tuple(made), tuple(left_out)


def _read_file(
    file: RowFile,
    seed: int,
    make: Callable[[Mapping[str, Any], str, RowFile], T],
    *,
    skip: bool,
) -> tuple[list[T], list[Problem]]:
    name = file.path.as_posix()
    made: list[T] = []
    problems: list[Problem] = []
    lines: tuple[str, ...] = ()
    for row in data_rows(file.path):
        if len(problems) >= MOST_PROBLEMS and not (skip and made):
            message = f"rows from line {row.line:,} on were not looked at"
            raise InputError(*first_problems(problems, name), Problem(message, name))
        try:
            if len(row.values) > MOST_KEYS:
                raise RowError(f"the row has more than {MOST_KEYS:,} keys")
            made.append(make(row.values, f"{name}:{row.line}", file))
        except InputError as error:
            (problem,) = error.problems
            # A key, or a template's mark: a JSONL file shows in which column it stands.
            key = error.key if isinstance(error, RowError) else ""
            text = f'"{key}"' if key else problem.found if marks_in(problem.found) else ""
            lines = lines or lines_of(file.path)
            column = lines[row.line - 1].find(text) + 1 if lines and text else 0
            problems.append(replace(problem, path=name, line=row.line, column=column))
    if problems and not (skip and made):
        raise InputError(*first_problems(problems, name))
    if file.count is not None:
        if file.count > len(made):
            message = f"{file.count} rows are asked for"
            raise InputError(Problem(message, name, found=f"{len(made)} rows"))
        rng = random.Random(f"rows/{file.path.name}/{seed}")
        made = [made[at] for at in sorted(rng.sample(range(len(made)), file.count))]
    return made, problems
