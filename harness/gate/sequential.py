"""Early stop: an e-value that may be looked at after every case.

It replaces the final test of a run, never stands beside it: its p value is valid whenever one
stops, and a little weaker than a test that looks once. A gate with several suites puts these
p values into Holm's correction as usual.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.gate.pairs import Items, Pairs

ROUNDING = 1e-9
METHOD = "e-value, valid whenever one stops"


@dataclass(frozen=True, slots=True)
class SequentialTest:
    """Losses and gains so far, and the highest e-value seen."""

    worse: int = 0
    better: int = 0
    highest_log_e: float = 0.0

    def observe(self, change: float) -> SequentialTest:
        """Return the test after one more pair, or one more whole cluster: candidate − baseline.

        Only the sign counts; a pair without a change tells nothing.
        """
        if abs(change) <= ROUNDING:
            return self
        worse, better = self.worse + (change < 0), self.better + (change > 0)
        highest = max(self.highest_log_e, log_e_value(worse, better))
        return replace(self, worse=worse, better=better, highest_log_e=highest)

    @property
    def p(self) -> float:
        """The anytime-valid p value, min(1, 1 / highest e-value)."""
        return math.exp(-max(0.0, self.highest_log_e))


def log_e_value(worse: int, better: int) -> float:
    """Return the logarithm of the e-value against "losses are at most as likely as gains".

    With w losses and b gains, n = w + b: E = 2^(n+1) B(w+1, b+1) (1 − I_½(w+1, b+1)), the
    likelihood ratio of a loss probability spread evenly over (½, 1) against ½. The chance that it
    ever reaches 1/α is at most α. −inf where it underflows (hardly anything but gains).
    Source: Ramdas et al. (2023), Statistical Science 38(4), 576-601.
    """
    from scipy.special import betainc, betaln

    # 1 − I_½(a, b) is I_½(b, a), by symmetry.
    tail = float(betainc(better + 1, worse + 1, 0.5))
    if tail <= 0.0:  # underflow: far more gains than losses
        return -math.inf
    log_beta = float(betaln(worse + 1, better + 1))
    return (worse + better + 1) * math.log(2) + log_beta + math.log(tail)


def balanced_order(strata: Mapping[str, str], seed: int) -> tuple[str, ...]:
    """Return the cases in a seeded order in which every stratum is spread evenly.

    `strata` maps each case to its stratum (a cluster, a tag, a suite): a run that stops early has
    then seen a fair part of each. The order depends on names and seed alone.
    """
    generator = np.random.default_rng(seed)
    places: list[tuple[float, str]] = []
    for stratum in sorted(set(strata.values())):
        members = sorted(case for case, its in strata.items() if its == stratum)
        offset = generator.random()
        for rank, index in enumerate(generator.permutation(len(members))):
            places.append(((rank + offset) / len(members), members[index]))
    return tuple(case for _, case in sorted(places))


START = SequentialTest()


def sequential_test(pairs: Pairs, items: Items, test: SequentialTest = START) -> SequentialTest:
    """Return the test after these pairs, going on from `test`.

    A cluster is looked at once all of its pairs are there. `items` are the candidate's, in the
    order of their results.
    """
    place = {case: index for index, case in enumerate(pairs.cases)}
    left = Counter(pairs.groups.tolist())
    sums: Counter[int] = Counter()
    for case in items:
        if case not in place:
            continue
        group = int(pairs.groups[place[case]])
        sums[group] += pairs.changes[place[case]]
        left[group] -= 1
        if not left[group]:
            test = test.observe(float(sums[group]))
    return test
