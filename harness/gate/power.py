"""What a suite can see: the smallest drop, and how many cases would decide."""

from __future__ import annotations

import math

from harness.gate.intervals import Spread, normal_quantile

POWER = 0.8
MOST_MORE_CASES = 1_000_000  # beyond this "how many more" is no advice
ROUNDING = 1e-9


def drop_power_needs(drop: float, discordance: float, alpha: float) -> float:
    """Pairs that a one-sided McNemar test needs to see `drop` with 80 % power.

    `discordance` is the share of pairs that differ. A drop changes as many pairs, so a smaller
    discordance counts as the drop itself. Source: Connor (1987), Biometrics 43, 207-211.
    """
    share = max(discordance, drop)
    z_alpha, z_power = normal_quantile(1 - alpha), normal_quantile(POWER)
    spread = z_alpha * math.sqrt(share) + z_power * math.sqrt(share - drop * drop)
    return (spread / drop) ** 2


def smallest_drop(pairs: int, discordance: float, alpha: float) -> float | None:
    """The smallest drop that single binary pairs show with 80 % power; None if not even 100 %.

    Never below the fewest losses without a gain that reach `alpha` at all.
    """
    fewest = math.ceil(math.log2(1 / alpha) - 1)  # mid-p of k losses without a gain: 2^-(k + 1)
    if pairs < fewest or drop_power_needs(1.0, discordance, alpha) > pairs:
        return None
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if drop_power_needs(middle, discordance, alpha) > pairs:
            low = middle
        else:
            high = middle
    return max(high, fewest / pairs)


def smallest_mean_drop(spread: Spread, clusters: int, alpha: float) -> float | None:
    """The same for shares, scores and clusters, by the standard error.

    Never below what single changes among `clusters` independent items would need: where nothing
    has changed yet, the error alone would promise too much.
    """
    if clusters < math.ceil(math.log2(1 / alpha)):  # exact sign flips reach 2^-clusters at best
        return None
    floor = smallest_drop(clusters, 0.0, alpha)
    drop = (spread.quantile(1 - alpha) + spread.quantile(POWER)) * spread.error
    return None if floor is None or drop > 1 else max(drop, floor)


def cases_to_decide(spread: Spread, *, margin: float, alpha: float) -> int | None:
    """How many more cases would decide, if difference and spread stay as they are.

    Towards a pass while the drop is within the margin, else towards a regression; None where no
    reasonable number does, as when the drop equals the margin.
    """
    n, room = spread.total, spread.delta + margin
    if room > ROUNDING:
        z = spread.quantile(0.95)
        needed = (z / room) ** 2 * (spread.squares / n + spread.piece * room)
    elif room < -ROUNDING:
        needed = (spread.quantile(1 - alpha) / spread.delta) ** 2 * spread.squares / n
    else:
        return None
    more = math.ceil(needed) - n if needed < MOST_MORE_CASES else MOST_MORE_CASES
    return None if more >= MOST_MORE_CASES else max(1, more)
