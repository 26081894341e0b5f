"""How a role holds over a conversation: the mean score at each turn, and what is lost on the way.

After Li et al. 2024 (persona drift), with scripted user turns instead of two models that talk: so
the turns of two variants can be compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import fsum

from harness.reports.extras.row import Frozen, Key, Row, judged, key_of
from harness.runner.values import CheckResult, Result

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
