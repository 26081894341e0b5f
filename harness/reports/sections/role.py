"""How a role holds from turn to turn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from harness.reports.extras import RoleRow
from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import Cell, TableSection, share
from harness.reports.words import points


class RoleSection(TableSection[RoleRow]):
    """A row per suite and variant, a column per turn."""

    title = "Role over turns"
    label = "Score of the role by turn"
    intro = (
        "Mean score of the checks at each turn, over the conversations that have checks there. "
        "Drift is what a conversation loses from its first checked turn to its last, in the "
        "mean: above zero the role wears off."
    )

    def __init__(self, scorecard: Scorecard) -> None:
        super().__init__(scorecard.extras.role)

    def head(self) -> Sequence[str]:
        """A column for each turn that any row has."""
        return ("Suite", "Variant", *(f"Turn {turn}" for turn in self._turns), "Drift")

    def cells(self, row: RoleRow) -> tuple[Cell, ...]:
        """The score at each turn, and what was lost on the way."""
        found = {turn.turn: share(turn.stability, turn.n) for turn in row.turns}
        scores = (found.get(turn, "–") for turn in self._turns)
        return (row.suite, row.variant, *scores, points(row.drift))

    @cached_property
    def _turns(self) -> list[int]:
        return sorted({turn.turn for row in self.rows for turn in row.turns})
