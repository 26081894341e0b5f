"""The files of a mixed training set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.common import InputError, Problem
from harness.common.reading import read_text
from harness.suites.data_files import SUFFIXES


def lines_of(path: Path) -> tuple[str, ...]:
    """Return the lines of a JSONL file, to find columns in; nothing for other files."""
    if path.suffix != ".jsonl":
        return ()
    return tuple(read_text(path).split("\n"))


@dataclass(frozen=True, slots=True)
class RowFile:
    """One file of a mixed training set.

    `count`: so many rows, drawn by the seed; None takes all. `system` is given to the rows that
    have no system prompt of their own. `replay` rows keep what the model can do.
    """

    path: Path
    count: int | None = None
    system: str | None = None
    replay: bool = False


def parse_spec(text: str | Path) -> RowFile:
    """Read `alpaca.jsonl#500` as 500 rows of that file. Raise InputError for any other count."""
    head, mark, tail = str(text).rpartition("#")
    number = tail.isascii() and tail.isdigit()
    meant = Path(head).suffix in SUFFIXES and Path(tail).suffix not in SUFFIXES
    if not mark or not (number or meant):
        return RowFile(Path(text))
    if not head or not number or not int(tail):
        message = "the count of rows cannot be read"
        raise InputError(Problem(message, found=str(text), expected="FILE#COUNT"))
    return RowFile(Path(head), int(tail))
