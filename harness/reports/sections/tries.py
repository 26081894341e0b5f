"""What several tries of a case come to: at least one of k passes, and all of k pass."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.common import percent, span
from harness.reports.sections.base import Cell, GateSection, legend, table
from harness.results import RunInfo, SuiteResult, TriesRate

COLUMNS = 8  # numbers of tries side by side: all of them are in scorecard.json


class TriesSection(GateSection[SuiteResult]):
    """A row for pass@k and one for pass^k of each suite and variant with repeats."""

    name = "tries"
    title = "Several tries"

    @classmethod
    def markup(cls, rows: Sequence[SuiteResult], run: RunInfo) -> Markup:
        """Return an introduction and a table with a column for each number of tries."""
        every = sorted({rate.k for row in rows for rate in row.pass_at_k})
        shown = every if len(every) <= COLUMNS else [*every[: COLUMNS - 1], every[-1]]
        intro = (
            "pass@k: the chance that at least one of k tries of a case passes; pass^k: that all k "
            "do. Both are computed for each case without bias and averaged over cases, with 95 % "
            "intervals. A case with fewer than k judged tries has no such figure and is left out: "
            "a dash where no case is left."
        )
        cells: list[Sequence[Cell]] = []
        for row in rows:
            for name, rates in (("pass@k", row.pass_at_k), ("pass^k", row.pass_hat_k)):
                by_k = {rate.k: rate for rate in rates}
                figures = (_figure(by_k[k]) if k in by_k else "–" for k in shown)
                cells.append((row.suite, row.variant, name, *figures))
        head = ("Suite", "Variant", "", *(f"k = {k}" for k in shown))
        return legend(intro) + table("Several tries of each case", head, cells)


def _figure(rate: TriesRate) -> Cell:
    if rate.estimate is None:
        return Markup('– <span class="quiet">{}</span>').format(rate.reason)
    left_out = f", {rate.undefined} left out" if rate.undefined else ""
    return Markup('<strong>{}</strong> <span class="quiet">{}{}</span>').format(
        percent(rate.estimate), span(rate.ci), left_out
    )
