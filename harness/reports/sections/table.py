"""A plain table that scrolls by itself on a narrow screen, and the sections that are one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from markupsafe import Markup
from pydantic import BaseModel, ConfigDict

from harness.reports.words import percent
from harness.results import Outcome, Result

Cell = str | Markup
Row = TypeVar("Row")
SHOWN = 8  # names in a cell: all of them are in scorecard.json


class TableSection(Generic[Row]):
    """A section that is an introduction and a table of rows that are on the scorecard already."""

    title: str
    label: str  # of the table, for a screen reader
    intro: str

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def see(self, result: Result) -> None:
        """The figures are on the scorecard; results add nothing."""

    @property
    def filled(self) -> bool:
        """Whether the scorecard has such rows."""
        return bool(self.rows)

    def markup(self) -> Markup:
        """An introduction and a table."""
        return legend(self.intro) + table(self.label, self.head(), map(self.cells, self.rows))

    def head(self) -> Sequence[str]:
        """The headings of the columns."""
        raise NotImplementedError

    def cells(self, row: Row) -> Sequence[Cell]:
        """The cells of one row."""
        raise NotImplementedError


def table(label: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Markup:
    """Escaped HTML; the first cell of each row is its heading."""
    heads = Markup("").join(Markup('<th scope="col">{}</th>').format(text) for text in head)
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        '<table class="plain"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(label, heads, Markup("").join(map(_row, rows)))


def legend(text: str) -> Markup:
    """The paragraph before a table."""
    return Markup('<p class="legend">{}</p>').format(text)


def first_of(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    known = list(names)
    more = len(known) - SHOWN
    shown = ", ".join(known[:SHOWN])
    return f"{shown} and {more:,} more" if more > 0 else shown


def share(value: float, of: int) -> Markup:
    """A percentage with the number that it is a share of."""
    return Markup('<strong>{}</strong> <span class="quiet">of {:,}</span>').format(
        percent(value), of
    )


def _row(cells: Sequence[Cell]) -> Markup:
    body = Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells[1:])
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(cells[0], body)


class Frozen(BaseModel):
    """A value of the scorecard; a reader of an older version ignores what a newer one adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class RowRow(Frozen):
    """Figures of one suite on one variant."""

    suite: str
    variant: str


Key = tuple[str, str]  # suite, variant


def key_of(result: Result) -> Key:
    """The suite and the variant of a result."""
    return result.suite, result.variant


def judged(result: Result) -> bool:
    """Whether there were answers that checks could read: no error, not skipped."""
    return result.outcome in (Outcome.PASS, Outcome.FAIL)
