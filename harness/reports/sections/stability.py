"""What repeats of a case agree on, and the cases where they do not."""

from __future__ import annotations

from collections.abc import Sequence

from harness.reports.extras import StabilityRow, Unstable
from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import Cell, TableSection, first_of, share
from harness.reports.words import percent

_HEAD = ("Suite", "Variant", "Outcome changes", "Same answer", "Cases that change")


class StabilitySection(TableSection[StabilityRow]):
    """A row per suite and variant with repeats."""

    title = "Stability over repeats"
    label = "Stability over repeats"
    intro = (
        "Share of cases whose outcome is not the same in all repeats, and how often two "
        "repeats gave the same answer, word for word. Repeat r was sampled with the case's "
        "seed + r; named are the repeats that did not pass."
    )

    def __init__(self, scorecard: Scorecard) -> None:
        super().__init__(scorecard.extras.stability)

    def head(self) -> Sequence[str]:
        """What changes, and in which cases."""
        return _HEAD

    def cells(self, row: StabilityRow) -> tuple[Cell, ...]:
        """Two shares and the cases to look at."""
        changes = share(row.changed_share, row.cases)
        cases = first_of(map(_named, row.unstable)) or "–"
        return (row.suite, row.variant, changes, percent(row.agreement), cases)


def _named(case: Unstable) -> str:
    return f"{case.case} ({', '.join(map(str, case.not_passed))})"
