"""Variants compared with each other: both directions, one error budget, nothing decided."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from harness.common import GateSettings
from harness.gate import PairwiseComparison, compare_pairwise
from harness.results import Result
from tests.gate.hand_made import result, rows

S = {"s": GateSettings()}


def compared(
    outcomes: Mapping[str, str], suites: Mapping[str, GateSettings] = S
) -> tuple[PairwiseComparison, ...]:
    """Each variant has one letter per case, the same in every suite."""

    def results() -> Iterator[Result]:
        for suite in suites:
            yield from chain.from_iterable(rows(s, name, suite) for name, s in outcomes.items())

    return compare_pairwise(results(), tuple(outcomes), suites)


def test_the_better_of_two_leads() -> None:
    (row,) = compared({"a": "F" * 8 + "P" * 12, "b": "P" * 20})

    assert (row.first, row.second, row.leader) == ("a", "b", "b")
    assert (row.pairs, row.better, row.worse, row.delta) == (20, 0, 8, -0.4)
    assert row.low is not None and row.high is not None and row.low < -0.4 < row.high < 0


def test_the_p_value_is_two_sided_and_corrected_over_pairs_and_suites() -> None:
    """Twice scipy's mid-p of 6 against 1, then Holm over three pairs in two suites."""
    outcomes = {"a": "P" * 6 + "F" + "P" * 13, "b": "F" * 6 + "P" * 14, "c": "F" * 6 + "P" * 14}
    found = compared(outcomes, {"s": GateSettings(), "t": GateSettings()})
    mid = float(binom.sf(6, 7, 0.5) + binom.pmf(6, 7, 0.5) / 2)

    by_pair = {(row.suite, row.first, row.second): row for row in found}
    assert len(by_pair) == 6
    assert by_pair["s", "a", "b"].p == pytest.approx(2 * mid)
    assert by_pair["s", "a", "b"].p_adjusted == pytest.approx(min(1, 2 * mid * 6))
    assert by_pair["t", "b", "c"].p == 1.0
    assert {row.leader for row in found} == {""}


def test_a_difference_that_is_clear_alone_may_not_be_among_many() -> None:
    signs = {"a": "P" * 30, "b": "F" * 7 + "P" * 23}
    assert compared(signs)[0].leader == "a"

    many = {**signs, **{f"x{n}": "P" * 30 for n in range(6)}}
    (row,) = (row for row in compared(many) if {row.first, row.second} == {"a", "b"})
    assert row.p_adjusted is not None and row.p_adjusted > 0.05
    assert row.leader == ""


def test_eight_variants_make_twenty_eight_pairs() -> None:
    assert len(compared({f"v{n}": "P" * 10 for n in range(8)})) == 28


def test_a_variant_that_broke_is_not_compared() -> None:
    (row,) = compared({"a": "P" * 10, "b": "E" * 2 + "F" * 8})

    assert (row.delta, row.leader) == (None, "")
    assert row.why == "2 cases of b ended in an error"


def test_errors_that_the_suite_allows_leave_the_test() -> None:
    (row,) = compared({"a": "P" * 10, "b": "E" * 2 + "P" * 8}, {"s": GateSettings(max_errors=2)})

    assert (row.pairs, row.left_out, row.delta) == (8, 2, 0.0)


def test_variants_that_were_not_asked_the_same_are_not_compared() -> None:
    a = [result("c1", "a", case_hash="h"), result("c2", "a", environment="cpu")]
    b = [result("c1", "b", case_hash="other"), result("c2", "b", environment="gpu")]
    (row,) = compare_pairwise(
        [*a, *b], ("a", "b"), S, {"a": {"engine": "hf"}, "b": {"engine": "vllm"}}
    )

    assert row.why == (
        "1 case not compared with b: the case itself (its messages or checks) differs; "
        "1 case not compared with b: the environment (engine vllm → hf) differs"
    )


def test_suites_of_one_variant_alone_make_no_pair() -> None:
    assert compare_pairwise(rows("PF", "a"), ("a", "b"), S) == ()


@given(st.lists(st.text("PF", min_size=12, max_size=12), min_size=2, max_size=4))
def test_who_is_named_first_changes_no_figure(signs: list[str]) -> None:
    there = compared({f"v{n}": chain_ for n, chain_ in enumerate(signs)})
    back = compared({f"v{n}": chain_ for n, chain_ in reversed(list(enumerate(signs)))})
    turned = {(row.second, row.first): row for row in back}

    for row in there:
        other = turned[row.first, row.second]
        assert row.delta == pytest.approx(-(other.delta or 0.0))
        assert (row.leader, row.better, row.worse) == (other.leader, other.worse, other.better)
        assert row.p_adjusted == pytest.approx(other.p_adjusted)


def test_equal_variants_seldom_differ_clearly_anywhere() -> None:
    """Four variants in two suites whose answers flip in 10 % of cases: 5 % of nights at most."""
    draw = random.Random(20_261_121)
    suites = {"s": GateSettings(), "t": GateSettings()}
    alarms = 0
    for _ in range(60):
        signs = {name: "".join(draw.choices("FP", (1, 9), k=60)) for name in "abcd"}
        alarms += any(row.leader for row in compared(signs, suites))

    assert alarms <= 6  # of 60: the 97 % point of a binomial of 5 %
