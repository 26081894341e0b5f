"""How a role holds from turn to turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum
from typing import TYPE_CHECKING

from harness.reports.sections.table import Cell, Frozen, Key, TableSection, judged, key_of, share
from harness.reports.sections.table import RowRow as Row
from harness.reports.words import points
from harness.results import CheckResult, Result

if TYPE_CHECKING:
    from harness.reports.scorecard import Scorecard


CATEGORY = "role_consistency"


class RoleTurn(Frozen):
    """`stability`: the mean score of the checks on the answers at this turn, counted from 1."""

    turn: int
    stability: float
    n: int


class RoleRow(Row):
    """Conversations with checks at two turns or more, each repeat by itself.

    `drift`: by how much the score at a conversation's first checked turn is above that at its last
    one, in the mean; above 0 the role wears off. Not every conversation reaches every turn, so
    drift is no difference of two stabilities.
    """

    conversations: int
    turns: tuple[RoleTurn, ...]
    drift: float


@dataclass(slots=True)
class _Count:
    drifts: list[float] = field(default_factory=list)
    turns: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))


class RoleCount:
    """Counts results, one after the other."""

    def __init__(self) -> None:
        self._counts: dict[Key, _Count] = {}

    def add(self, result: Result) -> None:
        """Count a conversation of a suite on roles."""
        if result.category != CATEGORY or not judged(result):
            return
        scores = _by_turn(result.checks)
        if len(scores) < 2:
            return
        count = self._counts.setdefault(key_of(result), _Count())
        count.drifts.append(scores[min(scores)] - scores[max(scores)])
        for turn, score in scores.items():
            count.turns[turn].append(score)

    def rows(self) -> Iterator[RoleRow]:
        """A row for each suite and variant with such conversations."""
        for (suite, variant), count in self._counts.items():
            yield RoleRow(
                suite=suite,
                variant=variant,
                conversations=len(count.drifts),
                turns=tuple(
                    RoleTurn(turn=turn + 1, stability=_mean(scores), n=len(scores))
                    for turn, scores in sorted(count.turns.items())
                ),
                drift=_mean(count.drifts),
            )


def _by_turn(checks: tuple[CheckResult, ...]) -> dict[int, float]:
    """The weighted mean score at each turn; a check that cannot tell counts as 0."""
    found: defaultdict[int, list[CheckResult]] = defaultdict(list)
    for check in checks:
        found[check.turn].append(check)
    return {
        turn: fsum(c.weight * c.score for c in some if c.passed is not None)
        / fsum(c.weight for c in some)
        for turn, some in found.items()
    }


def _mean(values: list[float]) -> float:
    return fsum(values) / len(values)


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
