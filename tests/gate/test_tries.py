"""pass@k and pass^k: against all subsets, never pooled over cases, gated by case like the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common import GateSettings
from harness.gate import judge_ledger
from harness.gate.pairs import collect
from harness.gate.statistics import pass_at_k, pass_hat_k
from harness.results import SuiteResult, TriesRate, Verdict
from tests.gate.hand_made import ROLES, alone, demand, judged, result, rows, verdict_of


def gated_on(measure: str, **more: object) -> GateSettings:
    return GateSettings.model_validate({"on": measure, **more})


def rate_of(found: SuiteResult, measure: str) -> TriesRate:
    """pass@2 of a row, say."""
    rates = found.pass_at_k if "@" in measure else found.pass_hat_k
    (one,) = (rate for rate in rates if rate.k == int(measure[5:]))
    return one


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(1, 8))
def test_both_are_the_shares_of_all_subsets(tries: list[bool], k: int) -> None:
    at, hat = pass_at_k(len(tries), sum(tries), k), pass_hat_k(len(tries), sum(tries), k)
    if k > len(tries):
        assert at is None and hat is None
        return
    subsets = list(combinations(tries, k))
    assert at == pytest.approx(float(Fraction(sum(map(any, subsets)), len(subsets))), abs=1e-12)
    assert hat == pytest.approx(float(Fraction(sum(map(all, subsets)), len(subsets))), abs=1e-12)


@given(st.integers(1, 1000), st.data())
def test_they_lie_around_the_mean_and_change_with_k(n: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    at, hat, one = pass_at_k(n, passed, k), pass_hat_k(n, passed, k), pass_at_k(n, passed, 1)

    assert at is not None and hat is not None and one == pytest.approx(passed / n)
    assert 0.0 <= hat <= passed / n + 1e-12 and passed / n - 1e-12 <= at <= 1.0
    assert at == pytest.approx(1 - (pass_hat_k(n, n - passed, k) or 0.0))  # each other's mirror


def test_the_published_example() -> None:
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)  # the plug-in 1 − 0.6² is 0.64
    assert pass_hat_k(5, 2, 2) == pytest.approx(0.1)


@given(st.lists(st.text("PF", min_size=4, max_size=4), min_size=1, max_size=12))
def test_cases_are_averaged_and_never_pooled(outcomes: list[str]) -> None:
    found = alone(rows(outcomes), n=len(outcomes))

    for k in (1, 2, 3, 4):
        subsets = [list(combinations(case, k)) for case in outcomes]
        at = [sum("P" in one for one in of) / len(of) for of in subsets]
        hat = [sum("F" not in one for one in of) / len(of) for of in subsets]
        assert rate_of(found, f"pass@{k}").estimate == pytest.approx(sum(at) / len(at))
        assert rate_of(found, f"pass^{k}").estimate == pytest.approx(sum(hat) / len(hat))
    assert rate_of(found, "pass@1").estimate == pytest.approx(found.rate.pass_rate)


def test_without_repeats_there_is_nothing_to_say() -> None:
    found = alone(rows("PPF"), n=3)
    assert (found.pass_at_k, found.pass_hat_k, found.tries) == ((), (), None)


def test_many_tries_are_shown_at_a_few_numbers() -> None:
    found = alone(rows(["P" * 30, "F" * 30]), gated_on("pass@13"), n=2)
    assert [rate.k for rate in found.pass_at_k] == [*range(1, 11), 13, 20, 30]


def test_lost_tries_are_no_failures() -> None:
    """A case with too few judged tries has no figure; one with enough has that of those."""
    found = alone(rows(["PPP", "PPE", "PEE", "EEE"]), GateSettings(max_errors=3), n=4)

    three, two = rate_of(found, "pass^3"), rate_of(found, "pass@2")
    assert (three.n, three.undefined, three.estimate) == (1, 3, 1.0)
    assert three.reason == "3 cases left out, without 3 judged tries"
    assert (two.n, two.undefined, two.estimate) == (2, 2, 1.0)
    assert found.rate.pass_rate == pytest.approx((1 + 2 / 3 + 1 / 3 + 0) / 4)  # the mean as before


def test_an_estimate_of_no_case_is_null_with_its_reason_and_no_pass() -> None:
    settings = gated_on("pass@3", min_pass_rate=0.5, max_errors=9)
    found = alone(rows(["PPE", "PPE"]), settings, n=2)

    assert found.tries == TriesRate(3, 0, 2, None, 0.0, 1.0, "no case has 3 judged tries")
    assert found.tries.ci is None
    assert found.verdict is Verdict.ERROR
    assert found.reasons[0] == "pass@3 is undefined: no case has 3 judged tries"


def test_skipped_cases_are_in_no_estimate() -> None:
    found = alone(rows(["PP", "SS"]), n=2)
    assert (rate_of(found, "pass@2").n, rate_of(found, "pass@2").undefined) == (1, 0)


@pytest.mark.parametrize(
    ("measure", "verdict", "reason"),
    [
        ("pass@3", Verdict.PASS, "the bar is reached: pass@3 100.0 % (4 cases), min_pass_rate"),
        ("pass^3", Verdict.BELOW_THRESHOLD, "below the bar: pass^3 0.0 % (4 cases), min_pass_rate"),
        ("passed", Verdict.BELOW_THRESHOLD, "below the bar: pass rate 50.0 % (0 of 4 cases), min"),
    ],
)
def test_the_bar_holds_for_what_the_gate_is_on(measure: str, verdict: Verdict, reason: str) -> None:
    found = alone(rows(["PPFF"] * 4), gated_on(measure, min_pass_rate=0.6), n=4)

    # Of four tries with two passes every three have one, and no three are all passes.
    assert (found.verdict, found.rate.pass_rate) == (verdict, 0.5)
    assert found.reasons[0].startswith(reason)


def test_machinery_is_not_held_against_the_estimate() -> None:
    """Above max_errors nobody can tell: the bar is missed only where passes could not save it."""
    for outcomes, said in ((["PPE"] * 4, False), (["FFE"] * 4, True)):
        found = alone(rows(outcomes), gated_on("pass^2", min_pass_rate=0.9), n=4)
        assert found.verdict is Verdict.ERROR
        assert any(reason.startswith("below the bar") for reason in found.reasons) is said


def both(base: Sequence[str], new: Sequence[str], measure: str, **more: object) -> SuiteResult:
    answers = iter([*rows(base, "base"), *rows(new, "new")])
    return judged(answers, gated_on(measure, **more), n=len(base))


def test_a_model_that_became_unsteady_is_seen_by_pass_hat_k_alone() -> None:
    """The mean falls by a third, all-of-three to zero, and at-least-one does not fall."""
    base, new = ["PPP"] * 12, ["PPF"] * 12

    hat, at = both(base, new, "pass^3"), both(base, new, "pass@3")
    assert (hat.verdict, at.verdict) == (Verdict.REGRESSED, Verdict.PASS)
    assert hat.comparison is not None and at.comparison is not None
    assert (hat.comparison.delta, at.comparison.delta) == (-1.0, 0.0)
    assert "pass^3 fell by 100.0 points" in hat.reasons


def test_the_test_is_paired_by_case_and_never_counts_draws() -> None:
    """Four cases are four items, however often each was tried: 2^-4 at best."""
    found = both(["PPPPPPFF"] * 4, ["PFFFFFFF"] * 4, "pass^2")

    assert found.comparison is not None
    assert found.comparison.pairs == 4
    assert found.comparison.method == "sign-flip permutation"
    assert found.comparison.p == pytest.approx(2**-4)
    assert found.verdict is Verdict.PASS


def test_single_differences_are_those_of_the_estimates() -> None:
    found = both(["PPPF", "PPPP"], ["PPFF", "PPPP"], "pass^2")
    assert found.comparison is not None
    # C(2,2)/C(4,2) − C(3,2)/C(4,2) = 1/6 − 3/6 in one of two cases.
    assert found.comparison.delta == pytest.approx(-1 / 6)
    assert found.comparison.worse == ("c000",)


def test_clusters_are_flipped_whole() -> None:
    answers = [
        result(f"c{case:02}", name, letter, repeat=repeat, cluster=f"k{case // 5}")
        for name, letters in (("base", "PPP"), ("new", "PPF"))
        for case in range(20)
        for repeat, letter in enumerate(letters)
    ]
    found = judged(iter(answers), gated_on("pass^3"), n=20)

    assert found.comparison is not None
    assert found.comparison.clusters == 4
    assert found.comparison.p == pytest.approx(2**-4)


def test_clusters_widen_the_interval() -> None:
    outcomes = ["PPP"] * 10 + ["FFF"] * 10
    apart = rate_of(alone(rows(outcomes), n=20), "pass@2")
    whole = [replace(one, cluster=one.case[:3]) for one in rows(outcomes)]  # c00 and c01
    together = rate_of(alone(iter(whole), n=20), "pass@2")

    assert apart.estimate == together.estimate == 0.5
    assert together.high - together.low > apart.high - apart.low + 0.2


def test_a_pair_with_too_few_tries_on_one_side_is_left_out_and_said() -> None:
    found = both(["PP", "PPP", "PPP"], ["PPP", "PPP", "PPF"], "pass@3")

    assert found.comparison is not None
    assert (found.comparison.pairs, found.comparison.left_out) == (2, 1)
    said = "1 case left out of the comparison: too few tries for pass@3 on either side"
    assert said in found.warnings


def test_a_baseline_that_was_asked_once_is_no_comparison() -> None:
    found = both(["P"] * 3, ["PPP"] * 3, "pass@3")
    assert found.verdict is Verdict.ERROR
    assert "no case could be compared with base" in found.reasons


def test_pass_at_1_is_the_mean() -> None:
    base, new = ["PPF", "PFF", "PPP", "PPP"] * 4, ["PFF", "FFF", "PPP", "PPF"] * 4
    one, mean = both(base, new, "pass@1"), both(base, new, "passed")

    assert one.comparison is not None and mean.comparison is not None
    assert one.comparison.p == pytest.approx(mean.comparison.p)
    assert one.comparison.delta == pytest.approx(mean.comparison.delta)


def test_suites_on_different_measures_share_one_family() -> None:
    answers = []
    for suite, base, new in (("a", "PPP", "PPF"), ("b", "PPP", "PPP")):
        answers += [*rows([base] * 8, "base", suite), *rows([new] * 8, "new", suite)]
    suites = [demand(8, gated_on("pass^3"), "a"), demand(8, suite="b")]
    report = judge_ledger(collect(answers), suites, ROLES, "base")

    seen = verdict_of(report, "a").comparison
    assert seen is not None
    assert seen.family == 2
    assert seen.p_adjusted == pytest.approx(2 * seen.p)


def test_the_rate_of_the_row_stays_the_mean() -> None:
    found = both(["PPP"] * 3, ["PPF"] * 3, "pass@3", min_pass_rate=0.9)
    assert (found.rate.n, found.rate.passed, found.rate.failed) == (3, 0, 3)
    assert found.rate.pass_rate == pytest.approx(2 / 3)
