"""What a section of the page is: figures counted from results, and how they are drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Generic, TypeVar

from markupsafe import Markup
from pydantic import BaseModel, ConfigDict

from harness.common import percent
from harness.results import Outcome, Result, RunInfo

Cell = str | Markup
SHOWN = 8  # names in a cell: all of them are in scorecard.json
LONG = 24  # characters of a cell that may take several lines
SHADES = 5  # of a heat map


class Frozen(BaseModel):
    """A value of the scorecard; a reader of an older version ignores what a newer one adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Figures(Frozen):
    """The figures of one suite on one variant: a row of a section, in scorecard.json too."""

    suite: str
    variant: str


Row = TypeVar("Row")
Key = tuple[str, str]  # suite, variant


class Section(ABC, Generic[Row]):
    """One subject that is looked at across cases: an instance counts, the class draws.

    Results may come in any order; only counts are kept. `name` is the key of the rows under
    `extras` in scorecard.json, `figures` their type there.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    figures: ClassVar[type[Figures] | None] = None

    @abstractmethod
    def see(self, result: Result) -> None:
        """Count one result."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Yield the figures of each suite and variant that has any."""

    @classmethod
    @abstractmethod
    def markup(cls, rows: Sequence[Row], run: RunInfo) -> Markup:
        """Return the section's HTML below its heading, from at least one row."""


class TableSection(Section[Row]):
    """A section that is drawn as an introduction and one table."""

    label: ClassVar[str]  # of the table, for a screen reader
    intro: ClassVar[str]

    @classmethod
    def markup(cls, rows: Sequence[Row], run: RunInfo) -> Markup:
        """Return the introduction and the table."""
        return legend(cls.intro) + table(cls.label, *cls.grid(rows))

    @classmethod
    @abstractmethod
    def grid(cls, rows: Sequence[Row]) -> tuple[Sequence[str], Iterable[Sequence[Cell]]]:
        """Return the headings of the columns, and the cells of each row."""


class GateSection(Section[Row]):
    """A section whose rows are there when the results have been judged, and not counted here."""

    def see(self, result: Result) -> None:
        """Pass over a result."""

    def rows(self) -> Iterator[Row]:
        """Yield nothing."""
        yield from ()


def table(label: str, head: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> Markup:
    """Return escaped HTML: `label` is for screen readers, a row's first cell is its heading."""
    heads = Markup("").join(Markup('<th scope="col">{}</th>').format(text) for text in head)

    def written(cell: Cell) -> Markup:
        # A sentence or a list of names: a phone must not break it at every word.
        long = not isinstance(cell, Markup) and len(cell) > LONG
        return Markup('<td class="words">{}</td>' if long else "<td>{}</td>").format(cell)

    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            first, Markup("").join(map(written, cells))
        )
        for first, *cells in rows
    )
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        '<table class="plain"><caption class="unseen">{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(label, label, heads, body)


def heat_cell(passed: int, n: int, more: Cell = "") -> Markup:
    """Return a cell of a heat map, shaded by its rate, with its figures; a dash without any."""
    if not n:
        return Markup("<td>–</td>")
    shade = min(SHADES - 1, int(passed / n * SHADES))
    return Markup('<td class="shade{}"><strong>{}</strong> <span>{}/{}</span>{}</td>').format(
        shade, percent(passed / n, 0), passed, n, more
    )


def legend(text: str) -> Markup:
    """Return the paragraph before a table."""
    return Markup('<p class="legend">{}</p>').format(text)


def share(value: float, of: int) -> Markup:
    """Return a percentage with the number that it is a share of."""
    return Markup('<strong>{}</strong> <span class="quiet">of {:,}</span>').format(
        percent(value), of
    )


def key_of(result: Result) -> Key:
    """Return the suite and the variant of a result."""
    return result.suite, result.variant


def judged(result: Result) -> bool:
    """Return whether there were answers that checks could read: no error, not skipped."""
    return result.outcome in (Outcome.PASS, Outcome.FAIL)
