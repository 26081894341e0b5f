"""The tests and Holm's correction against scipy, against brute force, and against their laws."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gate.statistics import (
    gathering_p,
    group_sums,
    holm,
    mcnemar_mid_p,
    sign_flip_p,
)

counts = st.integers(0, 60)
few = st.integers(0, 25)  # at 0 of 54 and more, the p value is 1.0 as a float and cannot grow
p_values = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6)
steps = st.lists(st.integers(-3, 3), min_size=1, max_size=9)


@settings(deadline=None)
@given(st.data(), st.integers(1, 400))
def test_gathering_agrees_with_scipys_hypergeometric_tail(data: st.DataObject, total: int) -> None:
    from scipy.stats import hypergeom

    size, lost = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    losses = data.draw(st.integers(0, min(size, lost)))

    expected = hypergeom.sf(losses - 1, total, lost, size)

    assert gathering_p(losses, size, lost, total) == pytest.approx(expected, rel=1e-8)


def test_gathering_by_hand() -> None:
    """Both losses of four cases lie in a slice of two: one of the six choices of two cases."""
    assert gathering_p(2, 2, 2, 4) == pytest.approx(1 / 6)
    assert gathering_p(0, 2, 2, 4) == pytest.approx(1.0)
    assert gathering_p(40, 40, 50, 200_000) < 1e-100


@pytest.mark.parametrize(
    ("worse", "better", "p"),
    [(0, 0, 0.5), (3, 0, 1 / 16), (4, 0, 1 / 32), (7, 1, 5 / 256), (1, 7, 251 / 256)],
)
def test_mid_p_by_hand(worse: int, better: int, p: float) -> None:
    assert mcnemar_mid_p(worse, better) == pytest.approx(p, abs=1e-12)


@settings(deadline=None)
@given(counts, counts)
def test_mid_p_agrees_with_scipys_binomial_test(worse: int, better: int) -> None:
    from scipy.stats import binom, binomtest

    n = worse + better
    exact = binomtest(worse, n, alternative="greater").pvalue if n else 1.0

    assert mcnemar_mid_p(worse, better) == pytest.approx(exact - binom.pmf(worse, n, 0.5) / 2)


@settings(deadline=None)
@given(few, few)
def test_mid_p_is_a_probability_that_mirrors_and_grows_with_the_losses(w: int, b: int) -> None:
    p = mcnemar_mid_p(w, b)

    assert 0.0 <= p <= 1.0
    assert p + mcnemar_mid_p(b, w) == pytest.approx(1.0)
    assert mcnemar_mid_p(w + 1, b) < p < mcnemar_mid_p(w, b + 1) + 1e-12


@settings(deadline=None)
@given(steps)
def test_sign_flips_agree_with_every_flip_counted(sizes: list[int]) -> None:
    totals = [
        sum(sign * size for sign, size in zip(signs, sizes, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(sizes))
    ]
    low = sum(total <= sum(sizes) for total in totals) / len(totals)
    high = sum(total >= sum(sizes) for total in totals) / len(totals)
    thirds = np.array(sizes) / 3

    assert sign_flip_p(thirds, 3) == pytest.approx((low, high))
    assert sign_flip_p(thirds, None) == pytest.approx((low, high))


def test_sign_flips_of_many_scores_agree_with_scipys_permutation_test() -> None:
    from scipy.stats import permutation_test

    changes = np.random.default_rng(7).normal(-0.02, 0.1, 40)
    other = permutation_test(
        (changes,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        alternative="less",
        rng=np.random.default_rng(8),
    )

    assert sign_flip_p(changes, None)[0] == pytest.approx(other.pvalue, abs=0.015)


def test_many_scores_give_the_same_p_every_time() -> None:
    changes = np.random.default_rng(7).normal(-0.02, 0.1, 300)

    assert sign_flip_p(changes, None) == sign_flip_p(changes, None)


def test_exact_flips_of_many_shares_agree_with_resampling() -> None:
    changes = np.random.default_rng(9).integers(-3, 3, 60) / 3

    exact, resampled = sign_flip_p(changes, 3), sign_flip_p(changes, None)

    assert exact == pytest.approx(resampled, abs=0.01)


def test_without_any_change_nothing_is_shown() -> None:
    assert sign_flip_p(np.zeros(5), 1) == (1.0, 1.0)


def test_group_sums_add_up_each_cluster() -> None:
    assert group_sums(np.array([1.0, -1.0, 0.5]), np.array([0, 1, 0])).tolist() == [1.5, -1.0]


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()


@settings(deadline=None)
@given(p_values)
def test_holm_is_the_closure_of_bonferroni(values: list[float]) -> None:
    """Closed testing: a hypothesis falls when every set that holds it falls."""
    indexes = range(len(values))
    sets = [s for size in indexes for s in itertools.combinations(indexes, size + 1)]
    for index, adjusted in enumerate(holm(values)):
        bounds = [len(s) * min(values[i] for i in s) for s in sets if index in s]
        assert adjusted == pytest.approx(min(1.0, max(bounds)))


@settings(deadline=None)
@given(p_values, st.randoms(use_true_random=False))
def test_holm_does_not_depend_on_the_order(values: list[float], order: random.Random) -> None:
    indexes = list(range(len(values)))
    order.shuffle(indexes)
    adjusted = holm(values)

    assert holm([values[i] for i in indexes]) == tuple(adjusted[i] for i in indexes)
    assert all(a >= p for a, p in zip(adjusted, values, strict=True))
