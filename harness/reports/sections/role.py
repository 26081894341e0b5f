"""How what a conversation is checked for holds from turn to turn: a role, say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import fsum

from harness.common import points
from harness.reports.sections.base import (
    Cell,
    Figures,
    Frozen,
    Key,
    TableSection,
    judged,
    key_of,
    share,
)
from harness.results import CheckResult, Result


class RoleTurn(Frozen):
    """`stability`: the mean score of the checks on the answers at this turn, counted from 1."""

    turn: int
    stability: float
    n: int


class RoleRow(Figures):
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


class RoleSection(TableSection[RoleRow]):
    """A row per suite and variant with such conversations, a column per turn."""

    name = "role"
    figures = RoleRow
    title = "Score over turns"
    label = "Score by turn"
    intro = (
        "Mean score of the checks at each turn, over the conversations that have checks there. "
        "Drift is what a conversation loses from its first checked turn to its last, in the "
        "mean: above zero a role, or whatever is checked, wears off."
    )

    def __init__(self) -> None:
        self._counts: dict[Key, _Count] = {}

    def see(self, result: Result) -> None:
        """Count a conversation with checks at two turns or more.

        A turn's score is the weighted mean of its checks; one that cannot tell counts as 0.
        """
        turns: defaultdict[int, list[CheckResult]] = defaultdict(list)
        for check in result.checks if judged(result) else ():
            turns[check.turn].append(check)
        if len(turns) < 2:
            return
        scores = {
            turn: fsum(c.weight * c.score for c in checks if c.passed is not None)
            / fsum(c.weight for c in checks)
            for turn, checks in turns.items()
        }
        count = self._counts.setdefault(key_of(result), _Count())
        count.drifts.append(scores[min(scores)] - scores[max(scores)])
        for turn, score in scores.items():
            count.turns[turn].append(score)

    def rows(self) -> Iterator[RoleRow]:
        """Yield a row for each suite and variant with such conversations."""
        for (suite, variant), count in self._counts.items():
            yield RoleRow(
                suite=suite,
                variant=variant,
                conversations=len(count.drifts),
                turns=tuple(
                    RoleTurn(turn=turn + 1, stability=fsum(scores) / len(scores), n=len(scores))
                    for turn, scores in sorted(count.turns.items())
                ),
                drift=fsum(count.drifts) / len(count.drifts),
            )

    @classmethod
    def grid(cls, rows: Sequence[RoleRow]) -> tuple[Sequence[str], Iterable[Sequence[Cell]]]:
        """Return the score at each turn that any row has, and what was lost on the way."""
        turns = sorted({turn.turn for row in rows for turn in row.turns})
        cells = []
        for row in rows:
            found = {turn.turn: share(turn.stability, turn.n) for turn in row.turns}
            scores = (found.get(turn, "–") for turn in turns)
            cells.append((row.suite, row.variant, *scores, points(row.drift)))
        return ("Suite", "Variant", *(f"Turn {turn}" for turn in turns), "Drift"), cells
