"""Keys that templates want from rows of a data file, and that rows have not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.errors import Problem
from harness.suites.document import Document
from harness.suites.problems import Place, Problems, in_rows
from harness.suites.rows import Row
from harness.suites.templates import Loc, TemplateError
from harness.suites.values import Position


class _Miss(NamedTuple):
    place: Place
    error: TemplateError
    origin: Position


class MissingKeys:
    """Collects them for one data file: a key that no row has is the template's mistake."""

    def __init__(self, name: str, rows: Sequence[Row]) -> None:
        self._name, self.rows = name, len(rows)
        self._misses: dict[tuple[Loc, str], list[_Miss]] = {}

    def add(self, place: Place, error: TemplateError, origin: Position) -> None:
        """A template at `place` wants a key that the row at `origin` has not."""
        key = place.loc, error.row_key
        self._misses.setdefault(key, []).append(_Miss(place, error, origin))

    def report(self, problems: Problems, document: Document) -> None:
        """Note a template that is wrong for all rows, and else the rows."""
        for (_, key), misses in self._misses.items():
            if len(misses) < self.rows:
                problems.add_elsewhere(self._at_rows(misses, document))
                continue
            place, error, _ = misses[0]
            parts = {"did_you_mean": error.did_you_mean, "mend": error.mend}
            problems.add(Place(place.loc), f"no row of {self._name} has a key {key!r}", **parts)

    def _at_rows(self, misses: Sequence[_Miss], document: Document) -> Problem:
        """One problem at the first of the rows that lack the key."""
        place, error, origin = misses[0]
        used = document.position(place.loc)
        lines = [miss.origin.line for miss in misses]
        return Problem(
            error.message,
            origin.path,
            origin.line,
            case=in_rows(place.case, lines, self.rows) or place.case,
            wanted=f"used at {used.path}:{used.line}:{used.column}",
            did_you_mean=error.did_you_mean,
            mend=error.mend,
        )
