"""Intervals against scipy, against formulas written out, and against their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.common import GateSettings
from harness.gate.statistics import rate_interval, spread, wilson

N = 40
cells = st.tuples(st.integers(0, N), st.integers(0, N)).filter(lambda cell: sum(cell) <= N)


def changes(worse: int, better: int, n: int = N) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([-1.0] * worse + [1.0] * better + [0.0] * (n - worse - better))


@settings(deadline=None)
@given(st.integers(0, N))
def test_wilson_agrees_with_scipy(passed: int) -> None:
    from scipy.stats import binomtest

    other = binomtest(passed, N).proportion_ci(method="wilson")

    assert wilson(passed, N) == pytest.approx((other.low, other.high))


def test_without_items_a_rate_may_be_anything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert rate_interval(np.array([]), np.array([], dtype=np.int64)) == (0.0, 1.0)


def test_twenty_of_twenty_are_not_certain() -> None:
    assert wilson(20, 20) == pytest.approx((0.839, 1.0), abs=5e-4)


def test_cases_that_share_their_fate_widen_the_rates_interval() -> None:
    shares = np.array([1.0] * 20 + [0.0] * 20)
    alone = rate_interval(shares, np.arange(40))
    together = rate_interval(shares, np.arange(40) // 5)

    assert alone == pytest.approx(wilson(20, 40))
    assert together == pytest.approx(wilson(4, 8))


@settings(deadline=None)
@given(cells)
def test_single_binary_pairs_have_agresti_and_mins_interval(cell: tuple[int, int]) -> None:
    worse, better = cell
    b, c, n = better + 0.5, worse + 0.5, N + 2
    centre = (b - c) / n
    error = math.sqrt(b + c - (b - c) ** 2 / n) / n

    low, high = spread(changes(worse, better), np.arange(N), binary=True).interval()

    assert low == pytest.approx(max(-1.0, centre - 1.959964 * error), abs=1e-6)
    assert high == pytest.approx(min(1.0, centre + 1.959964 * error), abs=1e-6)


@settings(deadline=None)
@given(cells)
def test_the_bound_falls_with_every_loss(cell: tuple[int, int]) -> None:
    worse, better = cell
    groups = np.arange(N + 1)
    now = spread(changes(worse, better, N + 1), groups, binary=True).lower()
    after = spread(changes(worse + 1, better, N + 1), groups, binary=True).lower()

    assert -1.0 <= after <= now <= (better - worse) / (N + 1)


def test_the_cluster_robust_error_agrees_with_the_formula_written_out() -> None:
    """Every pair of items in one cluster adds its product (Miller 2024), pseudo-clusters too."""
    generator = np.random.default_rng(3)
    x, groups = generator.choice([-1.0, 0.0, 1.0], 120), np.arange(120) // 2
    wide = spread(x, groups, binary=True)
    padded = np.concatenate([x, [0.0, 0.0]])
    off, labels = padded - wide.centre, np.concatenate([groups, [60, 60]])
    total = sum(off[i] * off[j] for i in range(122) for j in range(122) if labels[i] == labels[j])
    total += 2 * ((1 - wide.centre) ** 2 + (1 + wide.centre) ** 2)  # halves of two full clusters

    assert wide.centre == pytest.approx(x.sum() / 124)
    assert wide.error == pytest.approx(math.sqrt(total) / 124)


def test_one_cluster_proves_nothing() -> None:
    wide = spread(changes(3, 0), np.zeros(N, dtype=np.int64), binary=True)

    assert wide.interval() == (-1.0, 1.0)
    assert wide.lower() == -1.0


def test_identical_scores_still_leave_room() -> None:
    low, high = spread(np.zeros(30), np.arange(30), binary=False).interval()

    assert low == pytest.approx(-high)
    assert high > 0.05


@pytest.mark.parametrize("margin", [0.02, 0.03, 0.05, 0.1, 0.25])
def test_the_smallest_suite_that_can_pass_is_the_one_that_is_warned_about(margin: float) -> None:
    n = GateSettings(policy="non_inferiority", max_drop=margin).smallest_suite

    assert spread(np.zeros(n), np.arange(n), binary=True).lower() > -margin
    assert spread(np.zeros(n - 1), np.arange(n - 1), binary=True).lower() <= -margin


def test_any_other_policy_has_no_smallest_suite() -> None:
    assert GateSettings(max_drop=0.03).smallest_suite == 1
