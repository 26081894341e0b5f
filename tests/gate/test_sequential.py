"""The early stop: its e-value, its level and its order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gate import SequentialTest, balanced_order
from harness.gate.sequential import log_e_value

counts = st.integers(0, 40)


@settings(deadline=None)
@given(counts, counts)
def test_the_e_value_is_the_mean_likelihood_ratio(worse: int, better: int) -> None:
    """The integral over loss chances from 1/2 to 1, by the midpoint rule."""
    chances = 0.5 + (np.arange(20_000) + 0.5) / 40_000
    ratios = (2 * chances) ** worse * (2 * (1 - chances)) ** better

    assert math.exp(log_e_value(worse, better)) == pytest.approx(ratios.mean(), rel=1e-4)


def test_far_more_gains_than_losses_do_not_overflow() -> None:
    assert SequentialTest(0, 4999).observe(1.0).p == 1.0


def test_losses_in_a_row_stop_the_run() -> None:
    test = SequentialTest()
    seen = 0
    while test.p > 0.05:
        test = test.observe(-1.0)
        seen += 1

    assert seen == 7
    assert 6 * test.p > 0.05


def test_what_was_shown_once_stays_shown() -> None:
    test = SequentialTest()
    for change in [-1.0] * 8 + [1.0] * 8:
        test = test.observe(change)

    assert test.p <= 0.05
    assert (test.worse, test.better) == (8, 8)


def test_a_pair_without_a_change_tells_nothing() -> None:
    assert SequentialTest().observe(0.0) == SequentialTest()


def test_equal_models_are_rarely_stopped_however_often_one_looks() -> None:
    generator = np.random.default_rng(11)
    stopped = 0
    for _ in range(400):
        test = SequentialTest()
        for change in generator.choice([-1.0, 1.0], 60):
            test = test.observe(float(change))
        stopped += test.p <= 0.05

    assert stopped / 400 <= 0.05


def test_every_stratum_is_spread_evenly() -> None:
    strata = {f"a{i}": "a" for i in range(40)} | {f"b{i}": "b" for i in range(10)}

    order = balanced_order(strata, seed=1)

    assert sorted(order) == sorted(strata)
    for start in range(0, 50, 10):
        assert 1 <= sum(case.startswith("b") for case in order[start : start + 10]) <= 3


def test_the_order_depends_on_names_and_seed_alone() -> None:
    strata = {f"c{i}": "ab"[i % 2] for i in range(20)}
    turned = dict(reversed(strata.items()))

    assert balanced_order(strata, 1) == balanced_order(turned, 1)
    assert balanced_order(strata, 1) != balanced_order(strata, 2)
