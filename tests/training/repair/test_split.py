"""The split: by hash, stable, whole clusters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common import InputError
from harness.suites import Case, Position, Suite, Turn
from harness.training.repair import split_suite


def suite(names: list[str], clusters: dict[str, str] | None = None) -> Suite:
    place = Position("s.yaml", 1, 1)
    held = clusters or {}
    cases = (Case(n, "s", "c", place, (Turn("q"),), cluster=held.get(n)) for n in names)
    return Suite("s", "c", "s.yaml", tuple(cases))


NAMES = [f"case-{at}" for at in range(60)]


def test_both_sides_together_are_the_suite() -> None:
    split = split_suite(suite(NAMES), 0.5)

    assert sorted(c.id for c in (*split.dev, *split.holdout)) == sorted(NAMES)
    assert 20 <= len(split.holdout) <= 40


@given(st.sets(st.sampled_from(NAMES), min_size=30))
def test_a_case_keeps_its_side_when_others_come_and_go(some: set[str]) -> None:
    whole, part = split_suite(suite(NAMES), 0.5), split_suite(suite(sorted(some)), 0.5)

    assert {c.id for c in part.holdout} == {c.id for c in whole.holdout} & some


def test_a_larger_share_only_adds_to_the_holdout() -> None:
    small, large = split_suite(suite(NAMES), 0.3), split_suite(suite(NAMES), 0.6)

    assert {c.id for c in small.holdout} < {c.id for c in large.holdout}


def test_a_cluster_is_on_one_side() -> None:
    clusters = {name: f"cluster {at % 9}" for at, name in enumerate(NAMES)}
    split = split_suite(suite(NAMES, clusters), 0.5)

    assert not {c.cluster for c in split.dev} & {c.cluster for c in split.holdout}


def test_a_side_without_cases_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        split_suite(suite(["only"]), 0.5)

    assert str(caught.value).splitlines() == [
        "s.yaml:1: suite 's' cannot be split: no case is left for holdout",
        "  found: 1 case, holdout 0.5", "  hint: add cases, or change fix: {holdout: ...}"
    ]  # fmt: skip
