"""How a run that may stop early behaves on models whose truth is known: simulated, fixed seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.gate.calibration import ALPHA, LOSS, SEED, SUITES
from harness.gate.sequential import log_e_value

LOOK = 25  # cases between two looks


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
    """Six suites of n cases; with a true loss in one of them, and with none."""
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


def _best(
    n: int, flip: float, loss: float, generator: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The highest log e-value after each of n cases."""
    fate = generator.random(n)
    worse = np.cumsum(fate < flip / 2 + loss)
    better = np.cumsum(fate > 1 - flip / 2)
    found = [_log_e(w, b) for w, b in zip(worse.tolist(), better.tolist(), strict=True)]
    return np.maximum.accumulate(np.maximum(np.array(found), 0.0))
