"""IFEval's own four figures, for suites that use its instructions."""

from __future__ import annotations

from collections.abc import Sequence

from harness.reports.extras import IfevalRow
from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import Cell, TableSection, share

_HEAD = ("Suite", "Variant", "Prompts, strict", "loose", "Instructions, strict", "loose")


class IfevalSection(TableSection[IfevalRow]):
    """A row per suite and variant."""

    title = "Instructions followed"
    label = "Accuracy on IFEval's instructions"
    intro = (
        "A prompt counts when all of its instructions are followed. Loose: without its first "
        "line, its last line or its asterisks the answer may follow them as well. Other checks "
        "of the suite do not count here."
    )

    def __init__(self, scorecard: Scorecard) -> None:
        super().__init__(scorecard.extras.ifeval)

    def head(self) -> Sequence[str]:
        """Strict and loose, of prompts and of instructions."""
        return _HEAD

    def cells(self, row: IfevalRow) -> tuple[Cell, ...]:
        """Four shares."""
        return (
            row.suite,
            row.variant,
            share(row.prompt_strict, row.prompts),
            share(row.prompt_loose, row.prompts),
            share(row.instruction_strict, row.instructions),
            share(row.instruction_loose, row.instructions),
        )
