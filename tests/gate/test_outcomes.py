"""Outcomes, required cases and absolute bars."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.common import GateSettings
from harness.gate import decide
from harness.results import SuiteInfo, Verdict
from tests.gate.hand_made import ROLES, alone, judged, result, rows, table


def test_n_counts_passes_failures_and_errors_but_no_skips() -> None:
    row = alone(rows("PPPPPPFES"), GateSettings(max_errors=1, min_pass_rate=0.5), n=9)

    rate = row.rate
    assert (rate.n, rate.passed, rate.failed, rate.errors, rate.skipped) == (8, 6, 1, 1, 1)
    assert rate.pass_rate == pytest.approx(6 / 8)
    assert row.verdict is Verdict.PASS


def test_repeats_are_averaged_and_never_count_as_items() -> None:
    rate = alone(rows(["PPP", "PPF", "FFF", "PES"]), GateSettings(max_errors=1), n=4).rate

    assert (rate.n, rate.passed, rate.failed, rate.errors) == (4, 1, 2, 1)
    assert rate.pass_rate == pytest.approx((1 + 2 / 3 + 0 + 1 / 2) / 4)


def test_an_error_is_an_error_verdict() -> None:
    row = alone(rows("PPE"), n=3)

    assert row.verdict is Verdict.ERROR
    assert row.reasons[0] == "1 case of new ended in an error (c002), max_errors is 0"


def test_errors_of_the_baseline_count_as_well() -> None:
    row = judged(chain(rows("PPE", "base"), rows("PPP")), n=3)

    assert row.verdict is Verdict.ERROR
    assert row.reasons[0] == "1 case of base ended in an error (c002), max_errors is 0"
    assert row.warnings == ("1 case left out of the comparison: an error or a skip on either side",)


def test_skipped_cases_are_named_for_the_rate_says_nothing_about_them() -> None:
    settings = GateSettings(min_pass_rate=0.5)

    assert alone(rows("PSPS"), settings, n=4).warnings == (
        "2 cases skipped, longer than the context: c001, c003",
    )
    assert alone(rows("PP"), settings, n=2).warnings == ()


def test_the_reason_of_the_first_broken_case_is_said_in_any_order() -> None:
    broken = [
        replace(result("b", outcome="E"), reason="later"),
        replace(result("a", outcome="E", repeat=1), reason="not the first repeat"),
        replace(result("a", outcome="E"), reason="no answer: the prompt has no tokens"),
    ]
    wanted = (
        "2 cases of new ended in an error (a, b), max_errors is 0 "
        "(a: no answer: the prompt has no tokens)"
    )

    assert alone(iter(broken), n=2).reasons[0] == wanted
    assert alone(iter(broken[::-1]), n=2).reasons[0] == wanted


def test_a_long_reason_is_cut_between_words() -> None:
    broken = [replace(result("a", outcome="E"), reason="broken " * 100)]

    reason = alone(iter(broken), n=1).reasons[0]

    assert reason == (
        f"1 case of new ended in an error (a), max_errors is 0 (a: {'broken ' * 21}broken...)"
    )


def test_many_broken_cases_are_not_all_named() -> None:
    reason = alone(rows("E" * 8), n=8).reasons[0]

    assert reason == (
        "8 cases of new ended in an error (c000, c001, c002, c003, c004 and 3 more), "
        "max_errors is 0"
    )


def test_a_bar_that_the_baseline_misses_too_is_said() -> None:
    bar = GateSettings(min_pass_rate=0.9)

    both = judged(table(0, 0, 20, both_fail=10), bar, n=20)
    one = judged(table(3, 0, 20), bar, n=20)

    assert both.verdict is one.verdict is Verdict.BELOW_THRESHOLD
    assert both.baseline_below and not one.baseline_below
    assert both.reasons[0] == (
        "below the bar: pass rate 50.0 % (10 of 20 cases), min_pass_rate 90.0 %; base is below it "
        "too (50.0 %): the suite, a check or the bar may be wrong"
    )
    assert "base" not in one.reasons[0]


def test_a_required_case_that_the_baseline_fails_too_is_said() -> None:
    results = [result(c, v, "F", required=True) for c in ("a", "b") for v in ("base", "new")]
    results[2] = result("b", "base", required=True)

    row = judged(iter(results), n=2)

    assert row.reasons[0] == "required cases failed: a, b; base fails a too: the check may be wrong"


def test_a_missing_result_is_an_error_verdict() -> None:
    row = alone(rows("PP"), n=3)

    assert row.verdict is Verdict.ERROR
    assert row.reasons[0] == "1 of 3 cases have no result for new"


def test_a_candidate_without_any_result_is_an_error_verdict() -> None:
    row = judged(rows("PPP", "base"), n=3)

    assert row.verdict is Verdict.ERROR
    assert row.reasons[0] == "3 of 3 cases have no result for new"


def test_a_suite_that_never_fits_is_an_error_verdict() -> None:
    row = alone(rows("SS"), n=2)

    assert row.verdict is Verdict.ERROR
    assert row.reasons == ("none of 2 cases fits into the context",)


def test_an_empty_suite_is_an_error_verdict() -> None:
    row = alone(rows(""), n=0)

    assert (row.verdict, row.reasons) == (Verdict.ERROR, ("the suite has no case",))


@pytest.mark.parametrize(
    ("outcome", "verdict", "reason"),
    [
        ("F", Verdict.BELOW_THRESHOLD, "required case failed: must"),
        ("S", Verdict.ERROR, "required case must does not fit into the context"),
        ("E", Verdict.ERROR, "required case must ended in an error"),
    ],
)
def test_a_required_case_must_be_answered_and_pass(
    outcome: str, verdict: Verdict, reason: str
) -> None:
    results = [result("must", outcome=outcome, required=True), result("other")]

    row = alone(iter(results), GateSettings(max_errors=5), n=2)

    assert row.verdict is verdict
    assert reason in row.reasons


def test_a_required_case_must_pass_in_every_repeat() -> None:
    results = [result("must", outcome="PPF"[i], repeat=i, required=True) for i in range(3)]

    row = alone(iter(results), n=1)

    assert (row.verdict, row.reasons) == (
        Verdict.BELOW_THRESHOLD,
        ("required case failed: must",),
    )


@given(st.integers(1, 200), st.integers(0, 200), st.integers(0, 100))
@settings(deadline=None, max_examples=60)
def test_the_bar_is_exact(n: int, passed: int, bar: int) -> None:
    passed = min(n, passed)
    letters = "P" * passed + "F" * (n - passed)

    row = alone(rows(letters), GateSettings(min_pass_rate=bar / 100), n=n)

    reached = Fraction(passed, n) >= Fraction(bar, 100)
    assert row.verdict is (Verdict.PASS if reached else Verdict.BELOW_THRESHOLD)


def test_the_bar_is_said_in_plain_words() -> None:
    below = alone(rows("P" * 51 + "F" * 9), GateSettings(min_pass_rate=0.9), n=60)
    reached = alone(rows("P" * 54 + "F" * 6), GateSettings(min_pass_rate=0.9), n=60)

    assert below.reasons == (
        "below the bar: pass rate 85.0 % (51 of 60 cases), min_pass_rate 90.0 %",
    )
    assert reached.reasons == (
        "the bar is reached: pass rate 90.0 % (54 of 60 cases), min_pass_rate 90.0 %",
    )


def test_without_bar_and_baseline_nothing_is_decided() -> None:
    row = alone(rows("FFF"), n=3)

    assert row.verdict is None
    assert row.reasons == ("no bar and no baseline: nothing is decided here",)


def test_without_a_baseline_max_drop_is_said_to_be_untested() -> None:
    row = alone(rows("PPP"), GateSettings(max_drop=0.1, min_pass_rate=0.5), n=3)

    assert row.warnings == ("max_drop was not tested: there is no baseline to compare with",)


def test_a_suite_that_the_baseline_does_not_know_is_judged_by_its_bars() -> None:
    row = judged(rows("PPP"), GateSettings(min_pass_rate=0.5), n=3)

    assert row.verdict is Verdict.PASS
    assert row.comparison is None
    assert row.uncompared
    assert row.warnings == ("not compared: base has no result in this suite",)


def test_a_run_with_such_a_suite_does_not_pass_as_a_whole() -> None:
    results = chain(rows("PPP", suite="new-one"), table(0, 0, 3))
    demands = [
        SuiteInfo(name, "format", "", "", GateSettings(min_pass_rate=0.5), 3, 3)
        for name in ("s", "new-one")
    ]
    report = decide(results, demands, ROLES, "base")

    assert [row.verdict for row in report.suites if row.variant == "new"] == [Verdict.PASS] * 2
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.warnings == (
        "new-one: not compared, the baseline has no result in it: save the baseline again from a "
        "run of all suites, or judge by the bars alone with --baseline none",
    )


def test_an_error_is_not_held_against_the_model_as_a_rate_below_the_bar() -> None:
    bar = GateSettings(min_pass_rate=0.9)

    broken = alone(rows("P" * 8 + "EE"), bar, n=10)
    both = alone(rows("P" * 7 + "FFE"), bar, n=10)

    assert [reason.split(":")[0] for reason in broken.reasons] == [
        "2 cases of new ended in an error (c008, c009), max_errors is 0"
    ]
    assert [reason.split(":")[0] for reason in both.reasons] == [
        "1 case of new ended in an error (c009), max_errors is 0",
        "below the bar",
    ]


def test_reasons_against_come_before_facts_and_are_counted() -> None:
    row = judged(table(20, 0, 60), GateSettings(min_pass_rate=0.9), n=60)

    assert row.verdict is Verdict.REGRESSED
    assert [reason.split(":")[0].split(";")[0] for reason in row.reasons[: row.against]] == [
        "60 of 60 → 40 of 60 cases pass",
        "20 cases got worse, 0 got better",
        "the pass rate fell by 33.3 points",
        "below the bar",
    ]


def test_of_an_error_the_open_comparison_does_not_stand_in_the_way() -> None:
    """More cases would not mend what broke; the sentence stays among the reasons."""
    asked = GateSettings(policy="non_inferiority", max_drop=0.01)
    row = judged(chain(rows("P" * 9 + "F", "base"), rows("P" * 9 + "E")), asked, n=10)

    assert (row.verdict, row.against) == (Verdict.ERROR, 1)
    assert row.reasons[0] == "1 case of new ended in an error (c009), max_errors is 0"
    assert any("cannot be ruled out" in reason for reason in row.reasons)
