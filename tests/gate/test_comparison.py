"""Comparisons with a baseline: what is paired, what is tested, what is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import pytest

from harness.common import GateSettings
from harness.gate import decide
from harness.results import Result, Verdict
from tests.gate.hand_made import ROLES, demand, judged, result, rows, table, verdict_of


def test_every_reason_of_a_pass() -> None:
    row = judged(table(2, 1, 100), n=100)

    assert row.reasons == (
        "99 of 100 → 98 of 100 cases pass",
        "2 cases got worse, 1 got better; equal models give a result this lopsided in 31.2 % of "
        "runs",
        "the pass rate fell by 1.0 point, which chance may explain (alpha 5.0 %)",
        "smallest drop this suite can see: 6.1 points (80 % power, 100 pairs)",
    )


def test_every_reason_of_a_regression() -> None:
    row = judged(table(30, 0, 300), GateSettings(max_drop=0.03), n=300)

    assert row.reasons == (
        "300 of 300 → 270 of 300 cases pass; for example c000",
        "30 cases got worse, 0 got better; equal models give a result this lopsided in "
        "under 0.1 % of runs",
        "the pass rate fell by 10.0 points, more than the 3.0 points allowed (max_drop)",
        "smallest drop this suite can see: 4.5 points (80 % power, 300 pairs)",
    )


def test_every_reason_of_an_inconclusive_suite() -> None:
    settings = GateSettings(policy="non_inferiority", max_drop=0.03)

    row = judged(table(2, 1, 100), settings, n=100)

    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.comparison is not None
    assert row.comparison.more_cases == 238
    assert row.reasons[:2] == (
        "a drop of 5.5 points cannot be ruled out (one-sided 95 % bound), 3.0 points are allowed "
        "(max_drop)",
        "about 238 more cases would decide it, if the difference stays as it is",
    )


def test_non_inferiority_says_what_it_ruled_out() -> None:
    settings = GateSettings(policy="non_inferiority", max_drop=0.03)

    row = judged(table(0, 0, 300), settings, n=300)

    assert row.reasons == (
        "no case changed in 300 pairs with base",
        "at worst a drop of 0.9 points (one-sided 95 % bound), 3.0 points are allowed (max_drop)",
        "smallest drop this suite can see: 2.0 points (80 % power, 300 pairs)",
    )


def test_a_real_but_accepted_loss_is_a_pass() -> None:
    row = judged(table(8, 0, 400), GateSettings(max_drop=0.03), n=400)

    assert row.verdict is Verdict.PASS
    assert (
        row.reasons[2]
        == "the pass rate fell by 2.0 points, within the 3.0 points allowed (max_drop)"
    )


def test_the_most_severe_reason_comes_first_and_all_are_listed() -> None:
    results = chain(table(20, 0, 60), [result("bad", outcome="E"), result("bad", "base")])

    row = judged(results, GateSettings(min_pass_rate=0.9), n=61)

    assert row.verdict is Verdict.ERROR
    assert [reason.split(":")[0].split(";")[0] for reason in row.reasons] == [
        "1 case of new ended in an error (bad), max_errors is 0",
        "60 of 60 → 40 of 60 cases pass",
        "20 cases got worse, 0 got better",
        "the pass rate fell by 33.3 points",
        "below the bar",
        "smallest drop this suite can see",
    ]


def test_three_pairs_can_see_nothing_and_say_so() -> None:
    row = judged(table(3, 0, 3), n=3)

    assert row.verdict is Verdict.PASS
    assert row.reasons[-1] == "3 pairs are too few to see a drop of any size"


def test_cases_of_one_side_are_counted_and_said() -> None:
    results = chain(rows("PPP", "base"), [result(c) for c in ("c001", "c002", "x1", "x2")])

    row = judged(results, n=4)

    assert row.comparison is not None
    assert (row.comparison.pairs, row.comparison.only_baseline) == (2, 1)
    assert row.comparison.only_candidate == 2
    assert row.warnings == (
        "1 case not compared: only base has a result",
        "2 cases not compared: only new has a result",
    )


def test_no_case_in_common_is_an_error_and_never_a_pass() -> None:
    row = judged(chain([result("a", "base")], [result("b")]), n=1)

    assert (row.verdict, row.comparison) == (Verdict.ERROR, None)
    assert row.reasons == ("no case could be compared with base",)


def unlike(case_hash: str = "h", environment: str = "e1-s1") -> Iterator[Result]:
    for number in range(10):
        yield result(f"c{number}", "base", environment="e1-s1")
        yield result(f"c{number}", environment=environment, case_hash=case_hash)


@pytest.mark.parametrize(
    ("case_hash", "environment", "what"),
    [
        ("other", "e1-s1", "the case itself (its messages or checks)"),
        ("h", "e2-s1", "the environment (e1 → e2)"),
        ("h", "e1-s2", "the suite's sampling"),
        ("h", "e1-s1-j1", "how it was scored (the judge, or the reasoning tags)"),
        ("other", "e1-s2", "the case itself (its messages or checks) and the suite's sampling"),
    ],
)
def test_pairs_that_differ_are_refused_with_what_differs(
    case_hash: str, environment: str, what: str
) -> None:
    row = judged(unlike(case_hash, environment), n=10)

    assert row.verdict is Verdict.ERROR
    assert row.warnings == (f"10 cases not compared with base: {what} differs",)


def test_insisting_compares_them_and_says_so() -> None:
    row = judged(unlike("other"), n=10, insist=True)

    assert row.verdict is Verdict.PASS
    assert row.comparison is not None
    assert (row.comparison.pairs, row.comparison.refused) == (10, 0)
    assert row.warnings == (
        "10 cases unlike base and compared all the same, as you insisted: the case itself (its "
        "messages or checks) differs",
    )


def test_known_environments_are_named_field_by_field() -> None:
    report = decide(
        unlike(environment="e2-s1"),
        [demand(10)],
        ROLES,
        "base",
        environments={"base": {"dtype": "float32", "engine": "hf"}, "new": {"engine": "hf"}},
    )

    assert verdict_of(report).warnings == (
        "10 cases not compared with base: the environment (dtype float32 → none) differs",
    )


def test_a_few_refused_pairs_leave_the_test_and_are_counted() -> None:
    results = chain(table(0, 0, 20), [result("x", case_hash="1"), result("x", "base")])

    row = judged(results, n=21)

    assert row.verdict is Verdict.PASS
    assert row.comparison is not None
    assert (row.comparison.pairs, row.comparison.refused) == (20, 1)


def test_less_than_half_of_the_cases_compared_is_a_warning() -> None:
    row = judged(chain(rows("P", "base"), rows("PPP")), n=3)

    assert row.warnings[0] == "only 1 of 3 cases could be compared"


def test_a_gain_beyond_belief_is_a_warning() -> None:
    row = judged(table(0, 20, 40), n=40)

    assert row.verdict is Verdict.PASS
    assert row.warnings == (
        "the pass rate rose by 50.0 points: a gain beyond belief looks like a broken check; read "
        "some of these answers before trusting it: c000, c001, c002, c003, c004 and 15 more",
    )


@pytest.mark.parametrize("table_of", [(0, 4, 10), (0, 12, 100)])
def test_a_gain_that_chance_explains_or_that_is_small_is_no_warning(
    table_of: tuple[int, int, int],
) -> None:
    worse, better, n = table_of

    assert judged(table(worse, better, n), n=n).warnings == ()


def test_repeats_that_disagree_are_tested_by_sign_flips() -> None:
    results = chain(rows(["PPP"] * 10, "base"), rows(["PPF"] * 6 + ["PPP"] * 4))

    seen = judged(results, n=10).comparison

    assert seen is not None
    assert seen.method == "sign-flip permutation"
    assert seen.p == pytest.approx(1 / 64)
    assert seen.delta == pytest.approx(-0.2)


def test_repeats_that_agree_are_as_good_as_one() -> None:
    once = judged(table(7, 1, 60), n=60)
    letters = {"base": "P" * 7 + "F" + "P" * 52, "new": "F" * 7 + "P" * 53}
    thrice = [r for name in letters for r in rows([x * 3 for x in letters[name]], name)]

    assert replace(judged(iter(thrice), n=60), pass_at_k=(), pass_hat_k=()) == once


def test_the_largest_change_comes_first() -> None:
    results = chain(rows(["PP", "PP", "FF"], "base"), rows(["PF", "FF", "PP"]))

    seen = judged(results, n=3).comparison

    assert seen is not None
    assert (seen.worse, seen.better) == (("c001", "c000"), ("c002",))


def test_on_score_compares_scores_and_leaves_the_rate_alone() -> None:
    results = [
        result(f"c{i:02d}", name, score=0.9 - 0.01 * i - (0.1 if name == "new" else 0.0))
        for i in range(20)
        for name in ("base", "new")
    ]

    row = judged(iter(results), GateSettings(on="score"), n=20)

    assert row.rate.pass_rate == 1.0
    assert row.verdict is Verdict.REGRESSED
    assert row.reasons[:3] == (
        "mean score 80.5 % → 70.5 %; for example c00",
        "20 cases scored lower, 0 scored higher; equal models give a result this lopsided in "
        "under 0.1 % of runs",
        "the mean score fell by 10.0 points",
    )


def clustered(size: int) -> Iterator[Result]:
    """Ten cases got worse; they lie in clusters of the given size, of forty cases in all."""
    for i in range(40):
        yield result(f"c{i:02d}", "base", cluster=f"g{i // size}")
        yield result(f"c{i:02d}", "new", "F" if i < 10 else "P", cluster=f"g{i // size}")


def test_cases_of_one_cluster_count_as_one_piece_of_evidence() -> None:
    single, pairs, fives = (judged(clustered(size), n=40) for size in (1, 2, 5))

    assert single.comparison is not None
    assert pairs.comparison is not None
    assert fives.comparison is not None
    assert single.comparison.method == "McNemar mid-p"
    assert pairs.comparison.method == "cluster sign-flip permutation"
    assert pairs.comparison.p == pytest.approx(1 / 32)
    assert fives.comparison.p == pytest.approx(1 / 4)
    assert (single.comparison.clusters, fives.comparison.clusters) == (None, 8)
    assert fives.verdict is Verdict.PASS
    assert fives.reasons[-1] == (
        "smallest drop this suite can see: 59.4 points (80 % power, 40 pairs in 8 clusters)"
    )
