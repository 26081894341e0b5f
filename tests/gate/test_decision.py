"""The decision over a whole run: verdicts, laws and bad input."""

from __future__ import annotations

import random
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.common import GateSettings, InputError, VariantRole
from harness.gate import decide
from harness.results import Verdict
from tests.gate.hand_made import ROLES, alone, demand, judged, result, rows, table, verdict_of
from tests.steps import steps

# worse, better, n, settings, verdict: counts small enough to check by hand
GOLDEN = [
    (0, 0, 60, {}, Verdict.PASS),
    (3, 0, 60, {}, Verdict.PASS),  # mid-p of 3:0 is 1/16
    (4, 0, 60, {}, Verdict.REGRESSED),  # mid-p of 4:0 is 1/32
    (7, 1, 60, {}, Verdict.REGRESSED),  # 5/256
    (6, 1, 60, {}, Verdict.REGRESSED),  # (1 + 7/2) / 128 = 0.035
    (5, 1, 60, {}, Verdict.PASS),  # (1 + 6/2) / 64 = 0.0625
    (1, 7, 60, {}, Verdict.PASS),
    (7, 1, 60, {"max_drop": 0.1}, Verdict.PASS),  # a drop of exactly 6 in 60
    (7, 1, 60, {"max_drop": 0.09}, Verdict.REGRESSED),
    (7, 1, 60, {"alpha": 0.01}, Verdict.PASS),
    (6, 0, 60, {"min_pass_rate": 0.9}, Verdict.REGRESSED),
    (3, 0, 60, {"min_pass_rate": 0.96}, Verdict.BELOW_THRESHOLD),
    (3, 0, 60, {"min_pass_rate": 0.95}, Verdict.PASS),
    (0, 0, 91, {"policy": "non_inferiority", "max_drop": 0.03}, Verdict.PASS),
    (0, 0, 90, {"policy": "non_inferiority", "max_drop": 0.03}, Verdict.INCONCLUSIVE),
    (2, 0, 60, {"policy": "non_inferiority", "max_drop": 0.03}, Verdict.INCONCLUSIVE),
    (8, 0, 60, {"policy": "non_inferiority", "max_drop": 0.03}, Verdict.REGRESSED),
]


@pytest.mark.parametrize(("worse", "better", "n", "settings", "verdict"), GOLDEN)
def test_the_verdict_on_a_paired_table(
    worse: int, better: int, n: int, settings: dict[str, object], verdict: Verdict
) -> None:
    row = judged(table(worse, better, n), GateSettings.model_validate(settings), n=n)

    assert row.verdict is verdict


def test_the_sentence_of_a_regression_says_how_sure_it_is() -> None:
    results = [
        row
        for number in range(6)
        for row in table(7 if number == 0 else 0, 1 if number == 0 else 0, 60, f"s{number}")
    ]
    demands = [demand(60, suite=f"s{number}") for number in range(6)]

    row = verdict_of(decide(results, demands, ROLES, "base"), "s0")

    assert row.reasons[0] == "59 of 60 → 53 of 60 cases pass"
    assert row.reasons[1] == (
        "7 cases got worse, 1 got better; equal models give a result this lopsided in 2.0 % of "
        "runs, 11.7 % after Holm over six suites"
    )
    assert row.verdict is Verdict.PASS


def test_part_of_a_suite_has_no_verdict() -> None:
    report = decide(table(5, 0, 7), [demand(60, selected=7)], ROLES, "base")
    row = verdict_of(report)

    assert (row.verdict, row.partial) == (None, "7 of 60 cases")
    assert row.comparison is not None
    assert row.warnings == ()
    assert report.verdict is None
    assert report.warnings == ("nothing was gated: only parts of suites were selected",)


def test_part_of_a_suite_takes_nothing_of_the_error_budget() -> None:
    results = chain(table(5, 0, 20), table(5, 0, 20, "part"))
    demands = [demand(20), demand(60, suite="part", selected=20)]

    row = verdict_of(decide(results, demands, ROLES, "base"))

    assert row.comparison is not None
    assert row.comparison.p_adjusted == row.comparison.p


def test_a_run_without_a_candidate_says_that_nothing_was_gated() -> None:
    report = decide(rows("PF", "base"), [demand(2)], {"base": VariantRole.BASELINE}, "base")

    assert report.verdict is None
    assert report.warnings == ("nothing was gated: the run has no candidate",)
    assert [row.verdict for row in report.suites] == [None]


def test_baseline_and_references_are_never_gated() -> None:
    roles = {**ROLES, "other": VariantRole.REFERENCE}
    results = chain(table(0, 0, 20), rows("F" * 20, "other"))

    report = decide(results, [demand(20)], roles, "base")

    assert verdict_of(report, variant="other").verdict is None
    assert verdict_of(report, variant="other").comparison is not None
    assert verdict_of(report, variant="base").comparison is None
    assert report.verdict is Verdict.PASS


def test_each_candidate_has_its_own_error_budget() -> None:
    roles = {**ROLES, "second": VariantRole.CANDIDATE}
    results = chain(table(5, 0, 20), rows("P" * 20, "second"))

    row = verdict_of(decide(results, [demand(20)], roles, "base"))

    assert row.comparison is not None
    assert row.comparison.family == 1
    assert row.comparison.p_adjusted == pytest.approx(1 / 64)


def test_the_worst_suite_is_the_verdict_of_the_run() -> None:
    results = chain(table(0, 0, 20), table(10, 0, 20, "t"), rows("PE", suite="u"))
    demands = [demand(20), demand(20, suite="t"), demand(2, suite="u")]

    report = decide(results, demands, ROLES, "base")

    assert report.verdict is Verdict.ERROR
    assert [row.verdict for row in report.suites if row.variant == "new"] == [
        Verdict.PASS,
        Verdict.REGRESSED,
        Verdict.ERROR,
    ]


cell_counts = st.tuples(*[st.integers(0, 12)] * 4).filter(any)


@given(cell_counts, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_the_order_of_the_results_does_not_matter(
    cells: tuple[int, int, int, int], order: random.Random
) -> None:
    results = list(table(cells[0], cells[1], sum(cells), both_fail=cells[3]))
    shuffled = list(results)
    order.shuffle(shuffled)

    n = sum(cells)
    assert judged(iter(shuffled), n=n) == judged(iter(results), n=n)


@given(cell_counts)
@settings(deadline=None, max_examples=50)
def test_swapping_the_sides_mirrors_the_comparison(cells: tuple[int, int, int, int]) -> None:
    worse, better, _, fail = cells
    n = sum(cells)

    one = judged(table(worse, better, n, both_fail=fail), n=n).comparison
    other = judged(table(better, worse, n, both_fail=fail), n=n).comparison

    assert one is not None
    assert other is not None
    assert one.delta == pytest.approx(-other.delta)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.p + other.p == pytest.approx(1.0)
    assert not (one.p_adjusted <= 0.05 and other.p_adjusted <= 0.05)


@given(cell_counts, st.sampled_from([None, 0.02, 0.1]))
@settings(deadline=None, max_examples=50)
def test_one_more_lost_case_never_turns_a_regression_into_a_pass(
    cells: tuple[int, int, int, int], max_drop: float | None
) -> None:
    worse, better, both, fail = cells
    n, bars = sum(cells) + 1, GateSettings(max_drop=max_drop)

    before = judged(table(worse, better, n, both_fail=fail), bars, n=n)
    after = judged(table(worse + 1, better, n, both_fail=fail), bars, n=n)

    assert both + 1 == n - worse - better - fail
    assert before.verdict is not Verdict.REGRESSED or after.verdict is Verdict.REGRESSED


@given(st.text("PFS", min_size=1, max_size=30), st.sampled_from(["passed", "score"]))
@settings(deadline=None, max_examples=50)
def test_a_model_never_regresses_against_itself(letters: str, on: str) -> None:
    bars = GateSettings.model_validate({"on": on})

    row = judged(chain(rows(letters, "base"), rows(letters)), bars, n=len(letters))

    assert row.verdict is (Verdict.PASS if letters.strip("S") else Verdict.ERROR)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_score_that_is_no_share_is_refused(score: float) -> None:
    with pytest.raises(InputError) as caught:
        alone(iter([result("a", score=score)]), n=1)

    assert str(caught.value) == (
        "suite s, variant new, repeat 0: a score must be a number from 0 to 1\n"
        f"  in case: a\n  found: {score}"
    )


def test_a_result_that_stands_twice_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        alone(iter([result("a"), result("a")]), n=1)

    assert str(caught.value) == (
        "suite s, variant new, repeat 0: this result stands twice in the run\n  in case: a"
    )


def test_results_that_nobody_asked_for_are_refused() -> None:
    results = [result("a", suite="t"), result("a", "old")]

    with pytest.raises(InputError) as caught:
        alone(iter(results), n=1)

    assert str(caught.value) == (
        "the results hold suite 't', which is not part of this run\n  expected: s\n"
        "the results hold variant 'old', which is not part of this run\n  expected: new"
    )


def test_a_baseline_that_is_no_variant_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        decide([], [demand(1)], ROLES, "bsae")

    assert str(caught.value) == (
        "the baseline 'bsae' is no variant of this run\n  expected: base, new\n  did you mean: base"
    )


def test_the_work_of_a_decision_grows_with_the_cases() -> None:
    generator = random.Random(1)
    roles = {**ROLES, "second": VariantRole.CANDIDATE}

    def decide_on(cases: int) -> int:
        results = [
            result(f"c{i}", name, generator.choice("PPPF"), suite=f"s{s}", score=generator.random())
            for s in range(6)
            for name in roles
            for i in range(cases)
        ]
        demands = [demand(cases, GateSettings(on="score"), suite=f"s{s}") for s in range(6)]
        return steps(lambda: decide(results, demands, roles, "base"))

    assert decide_on(300) < 2.2 * decide_on(150)
