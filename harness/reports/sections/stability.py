"""What repeats of a case agree on, and the cases where they do not."""

from __future__ import annotations

from markupsafe import Markup

from harness.reports.extras import StabilityRow, Unstable
from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import Cell, legend, share, table
from harness.reports.words import percent
from harness.runner.values import Result

_SHOWN = 8  # cases of a row: all of them are in scorecard.json
_HEAD = ("Suite", "Variant", "Outcome changes", "Same answer", "Cases that change")


class StabilitySection:
    """A row per suite and variant with repeats."""

    title = "Stability over repeats"

    def __init__(self, scorecard: Scorecard) -> None:
        self._rows = scorecard.extras.stability

    def see(self, result: Result) -> None:
        """The figures are on the scorecard; results add nothing."""

    @property
    def filled(self) -> bool:
        """Whether cases were answered more than once."""
        return bool(self._rows)

    def markup(self) -> Markup:
        """An introduction and a table."""
        intro = (
            "Share of cases whose outcome is not the same in all repeats, and how often two "
            "repeats gave the same answer, word for word. Repeat r was sampled with the case's "
            "seed + r; named are the repeats that did not pass."
        )
        return legend(intro) + table("Stability over repeats", _HEAD, map(_cells, self._rows))


def _cells(row: StabilityRow) -> tuple[Cell, ...]:
    names = ", ".join(_named(case) for case in row.unstable[:_SHOWN])
    more = len(row.unstable) - _SHOWN
    changes = share(row.changed_share, row.cases)
    cases = (f"{names} and {more:,} more" if more > 0 else names) or "–"
    return (row.suite, row.variant, changes, percent(row.agreement), cases)


def _named(case: Unstable) -> str:
    return f"{case.case} ({', '.join(map(str, case.not_passed))})"
