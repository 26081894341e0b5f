"""IFEval's own four figures, for suites that use its instructions."""

from __future__ import annotations

from markupsafe import Markup

from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import legend, share, table
from harness.runner.values import Result

_HEAD = ("Suite", "Variant", "Prompts, strict", "loose", "Instructions, strict", "loose")


class IfevalSection:
    """A row per suite and variant."""

    title = "Instructions followed"

    def __init__(self, scorecard: Scorecard) -> None:
        self._rows = scorecard.extras.ifeval

    def see(self, result: Result) -> None:
        """The figures are on the scorecard; results add nothing."""

    @property
    def filled(self) -> bool:
        """Whether the run used `ifeval` checks."""
        return bool(self._rows)

    def markup(self) -> Markup:
        """An introduction and a table."""
        intro = (
            "A prompt counts when all of its instructions are followed. Loose: without its first "
            "line, its last line or its asterisks the answer may follow them as well. Other checks "
            "of the suite do not count here."
        )
        rows = [
            (
                row.suite,
                row.variant,
                share(row.prompt_strict, row.prompts),
                share(row.prompt_loose, row.prompts),
                share(row.instruction_strict, row.instructions),
                share(row.instruction_loose, row.instructions),
            )
            for row in self._rows
        ]
        return legend(intro) + table("Accuracy on IFEval's instructions", _HEAD, rows)
