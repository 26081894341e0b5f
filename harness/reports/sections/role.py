"""How a role holds from turn to turn."""

from __future__ import annotations

from markupsafe import Markup

from harness.reports.extras import RoleRow
from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import Cell, legend, share, table
from harness.reports.words import points
from harness.runner.values import Result


class RoleSection:
    """A row per suite and variant, a column per turn."""

    title = "Role over turns"

    def __init__(self, scorecard: Scorecard) -> None:
        self._rows = scorecard.extras.role

    def see(self, result: Result) -> None:
        """The figures are on the scorecard; results add nothing."""

    @property
    def filled(self) -> bool:
        """Whether there were conversations that check the role at two turns or more."""
        return bool(self._rows)

    def markup(self) -> Markup:
        """An introduction and a table."""
        intro = (
            "Mean score of the checks at each turn, over the conversations that have checks there. "
            "Drift is what a conversation loses from its first checked turn to its last, in the "
            "mean: above zero the role wears off."
        )
        turns = sorted({turn.turn for row in self._rows for turn in row.turns})
        head = ("Suite", "Variant", *(f"Turn {turn}" for turn in turns), "Drift")
        rows = [_cells(row, turns) for row in self._rows]
        return legend(intro) + table("Score of the role by turn", head, rows)


def _cells(row: RoleRow, turns: list[int]) -> tuple[Cell, ...]:
    found = {turn.turn: share(turn.stability, turn.n) for turn in row.turns}
    cells = (found.get(turn, "–") for turn in turns)
    return (row.suite, row.variant, *cells, points(row.drift))
