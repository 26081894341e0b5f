"""Simulate the gate on models whose truth is known, with a fixed seed.

The tables of docs/statistics.md and the tests of the gate's promises are made of these figures.

A flip is a case that two runs of one model answer differently: that is what an A/A run measures.
With flip rate f a pair is lost with chance f/2 and gained with chance f/2; a true loss of d adds d
to the first. Six suites, alpha 0.05, `no_regression` with `max_drop` 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.gate.comparison import paired_test
from harness.gate.pairs import Pairs
from harness.gate.sequential import log_e_value
from harness.gate.statistics import (
    Floats,
    holm,
    mcnemar_mid_p_table,
    ratio_bounds,
    smallest_drop,
    spread,
    t_quantile,
    unseen_losses,
)

SEED = 20_250_315
ALPHA = 0.05
Z = 1.6448536  # one-sided 95 %
SUITES = 6
LOSS = 0.05
ACCURACY = 0.8
SIZES = (100, 300, 1000)
FLIPS = (0.0, 0.02, 0.05, 0.10)
LOOK = 25  # cases between two looks of a run that may stop early

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Power:
    """Shares of runs in which a true loss was found."""

    before_holm: float
    after_holm: float


@dataclass(frozen=True, slots=True)
class Tables:
    """Counts of lost and gained pairs, each of shape (runs, suites), of suites of n cases."""

    worse: Counts
    better: Counts
    n: int

    @property
    def delta(self) -> Floats:
        """The observed differences."""
        differences: Floats = (self.better - self.worse) / self.n
        return differences


def simulate(n: int, flip: float, losses: tuple[float, ...], runs: int, seed: int) -> Tables:
    """Draw paired tables of suites with the given true losses."""
    generator = np.random.default_rng([SEED, seed, n, round(flip * 1000)])
    shape = (runs, len(losses))
    lost = flip / 2 + np.array(losses)
    worse = generator.binomial(n, np.broadcast_to(lost, shape))
    better = generator.binomial(n - worse, flip / 2 / (1 - lost))
    return Tables(worse, better, n)


def tables_of(runs: Sequence[Sequence[tuple[int, int]]], n: int) -> Tables:
    """Make tables of given counts: runs of suites of (worse, better)."""
    counts = np.array(runs, dtype=np.int64)
    return Tables(counts[..., 0], counts[..., 1], n)


def regressed(tables: Tables, *, corrected: bool = True) -> npt.NDArray[np.bool_]:
    """Apply the gate's rule to each run and suite."""
    p = mcnemar_mid_p_table(tables.worse, tables.better)
    if corrected:
        p = np.array([holm(row) for row in p.tolist()])
    found: npt.NDArray[np.bool_] = (p <= ALPHA) & (tables.worse > tables.better)
    return found


def false_alarms(n: int, flip: float, runs: int) -> float:
    """Return the share of runs of equal models in which a suite of the six is called regressed."""
    return float(regressed(simulate(n, flip, (0.0,) * SUITES, runs, 1)).any(axis=1).mean())


def power(n: int, flip: float, runs: int, loss: float = LOSS) -> Power:
    """Return the share of runs in which the one suite that lost is called regressed."""
    tables = simulate(n, flip, (loss, *(0.0,) * (SUITES - 1)), runs, 2)
    before = regressed(tables, corrected=False)[:, 0].mean()
    return Power(float(before), float(regressed(tables)[:, 0].mean()))


def size_for_power(flip: float, wanted: float, runs: int, measure: Callable[[Power], float]) -> int:
    """Find the smallest multiple of ten cases at which `measure` reaches `wanted`."""
    low, high = 1, 400  # in tens
    while low < high:
        middle = (low + high) // 2
        if measure(power(10 * middle, flip, runs)) >= wanted:
            high = middle
        else:
            low = middle + 1
    return 10 * low


def other_gates(n: int, flip: float, loss: float, runs: int) -> dict[str, float]:
    """Return the share of runs in which simple rules, on one suite, call a regression."""
    tables = simulate(n, flip, (loss,), runs, 3)
    drop = -tables.delta[:, 0]
    error = np.sqrt(2 * ACCURACY * (1 - ACCURACY) / n)
    return {
        "any drop": float((drop > 0).mean()),
        "a drop of 2 points": float((drop > 0.02 + 1e-9).mean()),
        "two independent rates": float((drop > 1.645 * error).mean()),
        "this gate, one suite": float(regressed(tables, corrected=False)[:, 0].mean()),
    }


def power_at_smallest_drop(n: int, flip: float, runs: int) -> tuple[float, float]:
    """Return the smallest drop that is reported at this flip rate, and the power it truly has."""
    drop = smallest_drop(n, flip, ALPHA)
    if drop is None:
        return 1.0, 0.0
    noise = max(0.0, flip - drop)  # the reported figure takes `flip` as all pairs that differ
    tables = simulate(n, noise, (drop,), runs, 4)
    return drop, float(regressed(tables, corrected=False)[:, 0].mean())


Kind = Literal["single", "repeated", "scores", "clusters"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One suite: how often equal models are called worse, a loss is found, an interval holds."""

    false_alarm: float
    power: float
    covers: float
    bound_holds: float


def behaviour(kind: Kind, n: int, runs: int) -> Behaviour:
    """Simulate the tests and intervals for items of this kind; the true loss is 5 points."""
    generator = np.random.default_rng([SEED, 5, n, len(kind)])
    rows = []
    for _ in range(runs):
        equal, lossy = draw(kind, n, 0.0, generator), draw(kind, n, LOSS, generator)
        wide = spread(lossy.changes, lossy.groups, binary=lossy.binary)
        low, high = wide.interval()
        rows.append(
            (
                paired_test(equal).p_worse <= ALPHA and equal.changes.mean() < 0,
                paired_test(lossy).p_worse <= ALPHA,
                low <= -LOSS <= high,
                wide.lower() <= -LOSS,
            )
        )
    shares = np.array(rows, dtype=np.float64).mean(axis=0)
    return Behaviour(*(float(share) for share in shares))


def draw(kind: Kind, n: int, loss: float, generator: np.random.Generator) -> Pairs:
    """Draw the pairs of one suite with the given true loss.

    single: 5 % flips. repeated: three repeats, every tenth case is a coin. scores: noise of 0.1
    around each case's own score. clusters: five cases that share their fate four times in five.
    """
    groups, grid = np.arange(n), 1 if kind in ("single", "clusters") else None
    if kind == "scores":
        changes = generator.normal(-loss, 0.1 * np.sqrt(2), n).clip(-1, 1)
    elif kind == "repeated":
        changes, grid = _repeated(n, loss, generator), 3
    else:
        fate = generator.random(n)
        if kind == "clusters":
            groups = np.arange(n) // 5
            together = generator.random(n) < 0.8
            fate = np.where(together, generator.random(groups.max() + 1)[groups], fate)
        changes = np.where(fate < 0.025 + loss, -1.0, np.where(fate > 0.975, 1.0, 0.0))
    return Pairs(
        cases=tuple(f"c{number:05d}" for number in range(n)),
        before=np.maximum(-changes, 0.0),  # as low as such changes allow
        changes=changes,
        groups=groups,
        clusters=int(groups.max()) + 1,
        binary=kind in ("single", "clusters"),
        grid=grid,
    )


def _repeated(n: int, loss: float, generator: np.random.Generator) -> Floats:
    """Draw shares of three repeats: 10 % of the cases are coins, 80 % pass and may be lost."""
    chance = np.select([np.arange(n) < 0.1 * n, np.arange(n) < 0.9 * n], [0.5, 1.0], 0.0)
    lost = (chance == 1.0) & (generator.random(n) < loss / 0.8)
    before = generator.binomial(3, chance) / 3
    after = generator.binomial(3, np.where(lost, 0.0, chance)) / 3
    changes: Floats = after - before
    return changes


def non_inferiority(n: int, flip: float, margin: float, loss: float, runs: int) -> float:
    """Return the share of runs in which `non_inferiority` passes a candidate that lost so much."""
    tables = simulate(n, flip, (loss,), runs, 6)
    changed = (tables.better + tables.worse).astype(np.float64)
    losses = unseen_losses(changed - n * tables.delta**2, np.ones_like(changed), Z)
    bound = tables.delta - losses / n
    beyond = regressed(tables, corrected=False) & (-tables.delta > margin)
    passes = (bound > -margin) & ~beyond
    return float(passes.mean())


@dataclass(frozen=True, slots=True)
class GrowthFound:
    """Shares of runs: the interval holds the growth; a bar at it, and at half of it, is failed.

    `unknown` is the share without any figure: then nothing is ruled out, and no bar is failed.
    """

    covers: float
    at_truth: float
    at_half: float
    unknown: float


def length_growth(clusters: int, size: int, runs: int, growth: float = 0.2) -> GrowthFound:
    """Simulate answers whose lengths are skewed, and alike within a cluster, as models give them.

    The logarithm of a length has a deviation of 0.5 between clusters, 0.5 between cases of one and
    0.4 between two models on one case: a tenth of the answers is 2.5 times as long as the median.
    """
    generator = np.random.default_rng([SEED, 8, clusters, size])
    shared = generator.normal(0.0, 0.5, (runs, clusters, 1))
    topic = generator.normal(0.0, 0.5, (runs, clusters, size))
    own = generator.normal(0.0, 0.4, (2, runs, clusters, size))
    sums = np.exp(shared + topic + own).sum(axis=3)
    covers = at_truth = at_half = unknown = 0
    for before, after in zip(sums[0], (1 + growth) * sums[1], strict=True):
        two = ratio_bounds(before, after, t_quantile(0.975, clusters - 1))
        one = ratio_bounds(before, after, t_quantile(0.95, clusters - 1))
        covers += two is None or two[0] <= 1 + growth <= two[1]
        at_truth += one is not None and one[0] > 1 + growth
        at_half += one is not None and one[0] > 1 + growth / 2
        unknown += two is None
    return GrowthFound(covers / runs, at_truth / runs, at_half / runs, unknown / runs)


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """Shares of runs: any of six equal suites stopped; the one that lost found; cases spared.

    `spared` is the mean share of the losing suite's cases that were not asked.
    """

    false_alarm: float
    before_holm: float
    after_holm: float
    spared: float


def early_stop(n: int, flip: float, runs: int, loss: float = LOSS) -> EarlyStop:
    """Simulate six suites of n cases: with a true loss in one of them, and with none."""
    generator = np.random.default_rng([SEED, 7, n, round(flip * 1000)])
    equal = np.array(
        [[_best(n, flip, 0.0, generator)[-1] for _ in range(SUITES)] for _ in range(runs)]
    )
    lossy = np.array([_best(n, flip, loss, generator) for _ in range(runs)])
    alone, strict = -np.log(ALPHA), -np.log(ALPHA / SUITES)
    looks = lossy[:, LOOK - 1 :: LOOK] >= strict
    first = np.where(looks.any(axis=1), (looks.argmax(axis=1) + 1) * LOOK, n)
    return EarlyStop(
        false_alarm=float((equal.max(axis=1) >= strict).mean()),
        before_holm=float((lossy[:, -1] >= alone).mean()),
        after_holm=float((lossy[:, -1] >= strict).mean()),
        spared=float((1 - first / n).mean()),
    )


@cache
def _log_e(worse: int, better: int) -> float:
    return log_e_value(worse, better)


def _best(n: int, flip: float, loss: float, generator: np.random.Generator) -> Floats:
    """Return the highest log e-value after each of n cases."""
    fate = generator.random(n)
    worse = np.cumsum(fate < flip / 2 + loss)
    better = np.cumsum(fate > 1 - flip / 2)
    found = [_log_e(w, b) for w, b in zip(worse.tolist(), better.tolist(), strict=True)]
    best: Floats = np.maximum.accumulate(np.maximum(np.array(found), 0.0))
    return best
