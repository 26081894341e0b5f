"""From pairs to numbers: the test, the difference with its interval, what the suite can see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.common import GateSettings, Tries, plural
from harness.gate.pairs import Item, Items, Pairs
from harness.gate.sequential import METHOD, SequentialTest
from harness.gate.statistics import (
    Spread,
    cases_to_decide,
    cases_to_see,
    group_sums,
    groups_of,
    holm,
    mcnemar_mid_p,
    rate_interval,
    sign_flip_p,
    smallest_drop,
    smallest_mean_drop,
    spread,
)
from harness.results import Comparison, Rate, TriesRate

ROUNDING = 1e-9  # 3 of 100 cases are 0.03, also in binary fractions
ENOUGH_DROP = 0.05  # what a suite that is large enough can see
MCNEMAR = "McNemar mid-p"
SIGN_FLIP = "sign-flip permutation"
CLUSTER_FLIP = "cluster sign-flip permutation"


def regressed(seen: Comparison, settings: GateSettings) -> bool:
    """Return whether the drop is not explained by chance and is larger than allowed."""
    return seen.p_adjusted <= settings.alpha and -seen.delta > settings.margin + ROUNDING


def inconclusive(seen: Comparison, settings: GateSettings) -> bool:
    """Return whether non-inferiority was asked for, and neither that nor a regression is shown."""
    if settings.policy != "non_inferiority" or regressed(seen, settings):
        return False
    return seen.lower_bound <= -settings.margin + ROUNDING


def reaches(pass_rate: float, minimum: float) -> bool:
    """Return whether the plain rate is at the bar or above it."""
    return pass_rate >= minimum - ROUNDING


@dataclass(frozen=True, slots=True)
class PairedTest:
    """One-sided p values for both directions, by one method."""

    p_worse: float
    p_better: float
    method: str


@dataclass(frozen=True, slots=True)
class Tested:
    """A comparison, and the adjusted p value for "the candidate is better" beside it."""

    comparison: Comparison
    p_better: float


def rate_of(items: Items) -> Rate:
    """Return how often a variant passed a suite, with its interval."""
    counted = [item for item in items.values() if not item.skipped]
    passed = sum(item.passed for item in counted)
    errors = sum(item.errors > 0 for item in counted)
    shares = np.array([item.share for item in counted], dtype=np.float64)
    low, high = rate_interval(shares, groups_of(counted))
    return Rate(
        n=len(counted),
        passed=passed,
        failed=len(counted) - passed - errors,
        errors=errors,
        skipped=len(items) - len(counted),
        pass_rate=float(shares.mean()) if counted else 0.0,
        low=low,
        high=high,
    )


MOST_K = 10  # k from 1 to here; of more tries then a few
LARGER_K = (20, 50, 100, 200, 500, 1000)


def tries_of(items: Items, settings: GateSettings) -> tuple[list[TriesRate], list[TriesRate]]:
    """Return pass@k and pass^k over the cases, for k from 1 up; empty where each was asked once.

    A case without k judged tries is left out and counted, as it has no such figure: to count a lost
    try as a failure would hold machinery against the model.
    """
    counted = [item for item in items.values() if not item.skipped]
    most = max((item.seen.bit_count() for item in counted), default=0)
    sizes = {k for k in (*range(1, MOST_K + 1), *LARGER_K) if k < most} | {most}
    asked = settings.tries
    if asked:
        sizes.add(asked.k)
    elif most < 2:
        return [], []
    return (
        [_tries_rate(counted, Tries(k, every=False)) for k in sorted(sizes) if k],
        [_tries_rate(counted, Tries(k, every=True)) for k in sorted(sizes) if k],
    )


def _tries_rate(counted: Sequence[Item], tries: Tries) -> TriesRate:
    """Average the estimates of single cases: draws are never pooled over cases."""
    known = [(item, share) for item in counted if (share := item.over(tries)) is not None]
    shares = np.array([share for _, share in known], dtype=np.float64)
    low, high = rate_interval(shares, groups_of([item for item, _ in known]))
    left_out, reason = len(counted) - len(known), ""
    if left_out:
        who = f"{plural(left_out, 'case')} left out, without" if known else "no case has"
        reason = f"{who} {tries.k} judged {'try' if tries.k == 1 else 'tries'}"
    return TriesRate(
        k=tries.k,
        n=len(known),
        undefined=left_out,
        estimate=float(shares.mean()) if known else None,
        low=low,
        high=high,
        reason=reason,
    )


def compare_family(
    family: Sequence[tuple[Pairs, GateSettings]],
    baseline: str,
    looked: Sequence[SequentialTest] = (),
    beside: Sequence[float] = (),
    suites: int | None = None,
) -> tuple[tuple[Tested, ...], tuple[float, ...]]:
    """Compare one variant on suites that share one error budget; each has at least one pair.

    From the suite number `suites` on they are declared slices. `beside` are p values of other tests
    in the same budget: they come back adjusted.

    `looked` holds the sequential test of each suite of a run that may stop early: it replaces the
    final test of every suite of that run.
    """
    tests = [paired_test(pairs) for pairs, _ in family]
    if looked:
        both = zip(tests, looked, strict=True)
        tests = [PairedTest(seen.p, test.p_better, METHOD) for test, seen in both]
    worse = holm([*(test.p_worse for test in tests), *beside])
    better = holm([test.p_better for test in tests])
    size = len(worse)
    found = []
    for (pairs, settings), test, p, p_up in zip(
        family, tests, worse[: len(tests)], better, strict=True
    ):
        seen = _comparison(pairs, settings, test, p, size, baseline)
        others = size - (len(tests) if suites is None else suites)
        found.append(Tested(replace(seen, beside=others), p_up))
    return tuple(found), worse[len(tests) :]


def paired_test(pairs: Pairs) -> PairedTest:
    """Test by McNemar's mid-p for single binary items, else sign flips of items or clusters."""
    if pairs.binary and not pairs.clustered:
        fell, rose = len(pairs.changed(-1)), len(pairs.changed(1))
        return PairedTest(mcnemar_mid_p(fell, rose), mcnemar_mid_p(rose, fell), MCNEMAR)
    p_worse, p_better = sign_flip_p(group_sums(pairs.changes, pairs.groups), pairs.grid)
    return PairedTest(p_worse, p_better, CLUSTER_FLIP if pairs.clustered else SIGN_FLIP)


def _comparison(
    pairs: Pairs,
    settings: GateSettings,
    test: PairedTest,
    p_adjusted: float,
    family: int,
    baseline: str,
) -> Comparison:
    """Fill in the figures of at least one pair; only an inconclusive suite needs more cases."""
    wide = spread(pairs.changes, pairs.groups, binary=pairs.binary)
    low, high = wide.interval()
    # The smallest drop is the final test's: a test that may stop early sees less.
    final = test.method != METHOD
    seen = Comparison(
        baseline=baseline,
        pairs=len(pairs.cases),
        delta=float(pairs.changes.mean()),
        low=low,
        high=high,
        p=test.p_worse,
        p_adjusted=p_adjusted,
        mde=smallest_seen(pairs, wide, settings.alpha) if final else None,
        method=test.method,
        worse=pairs.changed(-1),
        better=pairs.changed(1),
        left_out=pairs.left_out + pairs.too_few,
        refused=pairs.refused,
        only_baseline=pairs.only_baseline,
        only_candidate=pairs.only_candidate,
        clusters=pairs.clusters if pairs.clustered else None,
        lower_bound=wide.lower(),
        mde_adjusted=smallest_seen(pairs, wide, settings.alpha / family) if final else None,
        family=family,
        shift=pairs.shift,
        enough=cases_to_see(wide, ENOUGH_DROP, settings.alpha / family),
    )
    if not inconclusive(seen, settings):
        return seen
    more = cases_to_decide(wide, margin=settings.margin, alpha=settings.alpha / family)
    return replace(seen, more_cases=more)


def smallest_seen(pairs: Pairs, wide: Spread, alpha: float) -> float | None:
    """Return the smallest drop that at least one pair shows with 80 % power; None for none."""
    if pairs.binary and not pairs.clustered:
        changed = len(pairs.changed(-1)) + len(pairs.changed(1))
        return smallest_drop(len(pairs.cases), changed / len(pairs.cases), alpha)
    return smallest_mean_drop(wide, pairs.clusters, alpha)
