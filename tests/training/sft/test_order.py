"""Tests of the order of samples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.training.sft.prepare import epoch_order

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=120)


@given(LENGTHS, st.integers(1, 16), st.integers(0, 3), st.integers(0, 3))
def test_every_sample_comes_once(lengths: list[int], batch: int, seed: int, epoch: int) -> None:
    assert sorted(epoch_order(lengths, batch, seed, epoch)) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 16))
def test_the_order_is_the_same_again(lengths: list[int], batch: int) -> None:
    assert epoch_order(lengths, batch, 1, 2) == epoch_order(lengths, batch, 1, 2)


@given(LENGTHS, st.integers(1, 16))
def test_the_longest_sample_is_in_the_first_full_step(lengths: list[int], batch: int) -> None:
    order = epoch_order(lengths, batch, 1, 0)
    full = len(lengths) // batch * batch

    if full:
        longest_full = max(lengths[index] for index in order[:full])
        assert lengths[order[0]] == longest_full


def test_epochs_differ() -> None:
    lengths = list(range(1, 101))

    assert epoch_order(lengths, 10, 1, 0) != epoch_order(lengths, 10, 1, 1)


def test_little_is_padded() -> None:
    lengths = [10] * 50 + [100] * 50

    order = epoch_order(lengths, 10, 1, 1)

    steps = [order[at : at + 10] for at in range(0, 100, 10)]
    padded = sum(10 * max(lengths[index] for index in step) for step in steps)
    assert padded == sum(lengths)
