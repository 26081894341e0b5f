"""Tests of holding rows out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common import Message
from harness.training import TrainingRow
from harness.training.sft.prepare import held_out_count, split


def rows(groups: list[int]) -> list[TrainingRow]:
    return [
        TrainingRow(
            (Message("user", str(at)), Message("assistant", "yes")), f"r:{at}", group=f"g{group}"
        )
        for at, group in enumerate(groups)
    ]


@pytest.mark.parametrize(
    ("count", "share", "wanted"),
    [(9, 0.05, 0), (10, 0.05, 2), (60, 0.05, 12), (100, 0.05, 20), (1000, 0.05, 50), (100, 0, 0)],
)
def test_how_many_are_held_out(count: int, share: float, wanted: int) -> None:
    assert held_out_count(count, share) == wanted


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.integers(0, 5))
def test_no_group_is_on_both_sides_and_no_row_is_lost(groups: list[int], seed: int) -> None:
    given_rows = rows(groups)

    train, held = split(given_rows, 0.1, seed)

    assert sorted([*train, *held], key=lambda row: row.source) == sorted(
        given_rows, key=lambda row: row.source
    )
    assert not {row.group for row in train} & {row.group for row in held}
    assert len(held) <= held_out_count(len(groups), 0.1)


def test_equal_conversations_stay_together() -> None:
    twins = [
        TrainingRow((Message("user", str(at % 10)), Message("assistant", "yes")), f"r:{at}")
        for at in range(40)
    ]

    train, held = split(twins, 0.2, seed=1)

    assert held
    assert not {row.messages for row in train} & {row.messages for row in held}


def test_the_seed_decides() -> None:
    some = rows(list(range(100)))

    assert split(some, 0.2, 1) == split(some, 0.2, 1)
    assert split(some, 0.2, 1) != split(some, 0.2, 2)
