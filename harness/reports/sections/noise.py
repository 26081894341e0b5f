"""How often the same model disagrees with itself: it informs, no verdict uses it."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.common import joined, span
from harness.reports.sections.base import GateSection, legend, share, table
from harness.results import NoiseFloor, RunInfo


class NoiseSection(GateSection[NoiseFloor]):
    """A row per suite: how many cases changed their outcome, and which.

    Its rows are measured by asking everything twice (`--aa`) and not counted from the results.
    """

    name = "noise"
    title = "Noise floor"

    @classmethod
    def markup(cls, rows: Sequence[NoiseFloor], run: RunInfo) -> Markup:
        """Return an introduction and a table."""
        who = joined(list(dict.fromkeys(row.variant for row in rows)))
        intro = (
            f"{who} answered every case a second time, not from the store and in another order. "
            "Flips are cases with another outcome the second time: a change of this size says "
            "nothing about a model. No verdict uses these figures."
        )
        return legend(intro) + table(
            "Noise floor by suite",
            ("Suite", "Flips", "95 %", "Flaky cases"),
            (
                (
                    row.suite,
                    share(row.flip_rate, row.pairs),
                    span(row.ci),
                    joined(row.flaky) or "–",
                )
                for row in rows
            ),
        )
