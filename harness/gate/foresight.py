"""What a suite will be able to see, before anything is generated.

The same power functions as behind the smallest drop of a verdict, with a share of pairs that
differ taken from an earlier run, or assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.gate.statistics import (
    POWER,
    drop_power_needs,
    normal_quantile,
    smallest_drop,
    wilson,
)

DROPS = (0.05, 0.03, 0.01)  # the drops for which the cases are counted


@dataclass(frozen=True, slots=True)
class Needed:
    """How many cases see a drop with 80 % power: alone, and after Holm's first step."""

    drop: float
    cases: int
    cases_adjusted: int


@dataclass(frozen=True, slots=True)
class Sight:
    """The smallest drop that a suite of `units` independent cases sees with 80 % power.

    `discordance` is the share of pairs that differ. `mde` is the suite's alone, `mde_adjusted`
    after Holm's first step over `family` suites; None where it can see none.
    """

    units: int
    discordance: float
    family: int
    mde: float | None
    mde_adjusted: float | None
    needed: tuple[Needed, ...]


def likely_discordance(differing: int, pairs: int) -> float:
    """Return the upper end of the interval for the share that differs.

    The share itself would promise too much: where none of 100 pairs differed, some will.
    """
    return wilson(differing, pairs)[1]


def foresee(units: int, discordance: float, alpha: float, family: int) -> Sight:
    """Return what so many independent binary pairs show; Holm corrects for `family` suites."""
    return Sight(
        units=units,
        discordance=discordance,
        family=family,
        mde=smallest_drop(units, discordance, alpha),
        mde_adjusted=smallest_drop(units, discordance, alpha / family),
        needed=tuple(
            Needed(
                drop,
                math.ceil(drop_power_needs(drop, discordance, alpha)),
                math.ceil(drop_power_needs(drop, discordance, alpha / family)),
            )
            for drop in DROPS
        ),
    )


def repeated_drop(
    units: int, discordance: float, noise: float, repeats: int, alpha: float
) -> float | None:
    """Return the smallest drop of the mean share when every case is asked `repeats` times.

    Of the variance of a pair's difference, which is about `discordance` for one answer a side,
    the part `noise` (the chance that two answers of the same model are judged differently) is
    divided by the repeats and the rest stays: Var = (ψ − φ + φ / K) / n (Miller 2024,
    arXiv:2411.00640). None where no drop up to 1 is seen.
    """
    noise = min(noise, discordance)
    variance = (discordance - noise + noise / repeats) / max(units, 1)
    drop = (normal_quantile(1 - alpha) + normal_quantile(POWER)) * math.sqrt(variance)
    floor = smallest_drop(units, 0.0, alpha)
    return None if floor is None or drop > 1 else max(drop, floor)


def all_of(rate: float, noise: float, tries: int) -> float:
    """Return pass^k, the expected share of cases that pass all of `tries` answers.

    Each case has a chance of its own, and these are beta distributed with the mean `rate` and,
    as two answers disagree with the chance `noise`, E[p (1 − p)] = noise / 2.
    """
    spread = rate * (1 - rate)
    between = min(max(noise / 2 / spread, 0.0), 1.0) if spread > 0 else 0.0
    if between <= 0.0:  # every case always passes or always fails
        return rate
    if between >= 1.0:  # all cases are alike
        return rate**tries
    whole = between / (1 - between)  # α + β of the beta distribution
    share = 1.0
    for drawn in range(tries):
        share *= (rate * whole + drawn) / (whole + drawn)
    return share
