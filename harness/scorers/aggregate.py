"""From the findings of its checks to the outcome of a case."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Judged(Protocol):
    """What one check found, and how much it weighs."""

    @property
    def passed(self) -> bool | None:
        """True, false, or None where nobody can tell."""

    @property
    def score(self) -> float:
        """In [0, 1]."""

    @property
    def weight(self) -> float:
        """Above 0."""


class Combined(NamedTuple):
    """A case: `passed` is None where nobody can tell, which a gate counts as failed."""

    passed: bool | None
    score: float


# Weighted means of decimal fractions miss a threshold such as 0.7 by some 1e-17.
_ROUNDING = 1e-9


def combine(results: Iterable[Judged], threshold: float | None = None) -> Combined:
    """The outcome of a case, over all checks of all turns.

    Without `threshold` all checks must hold, whatever they weigh: one false makes it false, else
    one unknown makes it unknown. With `threshold` the score must reach it; a check that cannot
    tell counts with score 0. The score is the weighted mean of the checks' scores. No checks:
    unknown, score 0.
    """
    checks = list(results)
    if not checks:
        return Combined(None, 0.0)
    score = _mean(checks)
    if threshold is not None:
        return Combined(score >= threshold - _ROUNDING, score)
    if any(check.passed is False for check in checks):
        return Combined(False, score)
    return Combined(None if any(check.passed is None for check in checks) else True, score)


def _mean(checks: list[Judged]) -> float:
    weights = math.fsum(check.weight for check in checks)
    total = math.fsum(check.weight * check.score for check in checks if check.passed is not None)
    return min(1.0, total / weights)
