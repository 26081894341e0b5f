"""How far two raters agree beyond chance."""

from __future__ import annotations

from collections.abc import Iterable


def cohen_kappa(pairs: Iterable[tuple[bool, bool]]) -> float | None:
    """Cohen's kappa (1960) of two raters who say yes or no about the same things.

    1 is full agreement, 0 what chance gives, below 0 less than that. None where it is undefined:
    without pairs, and where both raters say one and the same thing every time.
    """
    said = list(pairs)
    n = len(said)
    first, second = sum(a for a, _ in said), sum(b for _, b in said)
    same = sum(a == b for a, b in said)
    # In whole numbers, n² times the agreement that chance gives: no rounding next to 1.
    chance = first * second + (n - first) * (n - second)
    return None if chance == n * n else (n * same - chance) / (n * n - chance)
