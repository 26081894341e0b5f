"""Which rows a training set is made of: files, how many rows of each, and their system prompt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError, Problem
from harness.training.rows.files import SUFFIXES


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
    """`alpaca.jsonl#500` as 500 rows of that file. Raises InputError for any other count."""
    head, mark, tail = str(text).rpartition("#")
    number = tail.isascii() and tail.isdigit()
    meant = Path(head).suffix in SUFFIXES and Path(tail).suffix not in SUFFIXES
    if not mark or not (number or meant):
        return RowFile(Path(text))
    if not head or not number or not int(tail):
        message = "the count of rows cannot be read"
        raise InputError(Problem(message, found=str(text), wanted="FILE#COUNT"))
    return RowFile(Path(head), int(tail))
