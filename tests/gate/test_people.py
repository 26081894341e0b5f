"""A gate on what people said: only judged cases count, and too few of them decide nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from harness.common import GateSettings, VariantRole
from harness.gate import collect, judge_ledger
from harness.gate.people import krippendorff_alpha
from harness.results import (
    TIE,
    GateReport,
    HumanJudgement,
    JudgedAnswer,
    Outcome,
    Result,
    SuiteInfo,
    SuiteResult,
    Verdict,
    answer_digest,
    reviewed,
)

BASE, NEW = "base", "new"
CASES = [f"c{number:02}" for number in range(30)]


def result(variant: str, case: str, **fields: Any) -> Result:
    prompt = ({"role": "user", "content": case},)
    whole = Result(
        "s", "c", case, variant, 0, Outcome.PASS, 1.0, (f"{variant} {case}",), prompt=prompt
    )
    return replace(whole, **fields)


RESULTS = [result(variant, case) for variant in (BASE, NEW) for case in CASES]


def row(case: str, rater: str = "ann", **fields: Any) -> HumanJudgement:
    return HumanJudgement(
        id=f"{case}{rater}{fields}",
        suite="s",
        case=case,
        turn=0,
        repeat=0,
        rater=rater,
        time="",
        **fields,
    )


def known(variant: str, case: str) -> JudgedAnswer:
    return JudgedAnswer(variant, answer_digest(result(variant, case), 0))


def scored(case: str, variant: str, score: int, rater: str = "ann") -> HumanJudgement:
    return row(case, rater, answers=(known(variant, case),), criterion="overall", score=score)


def preferred(case: str, variant: str, rater: str = "ann") -> HumanJudgement:
    pair = (known(NEW, case), known(BASE, case))
    return row(case, rater, answers=pair, preferred=variant)


def gate(
    rows: Sequence[HumanJudgement], results: Sequence[Result] = RESULTS, **bars: Any
) -> GateReport:
    settings = GateSettings(**{"on": "human", "min_judged": 20, **bars})
    suite = SuiteInfo("s", "c", "s.yaml", "", settings, len(CASES), len(CASES))
    return judge_ledger(
        collect(results),
        (suite,),
        {BASE: VariantRole.BASELINE, NEW: VariantRole.CANDIDATE},
        BASE,
        people=reviewed(rows, results),
    )


def candidate(report: GateReport) -> SuiteResult:
    return next(each for each in report.suites if each.variant == NEW)


def scores(values: Mapping[str, int]) -> list[HumanJudgement]:
    return [scored(case, variant, score) for variant, score in values.items() for case in CASES]


def test_nothing_judged_is_never_a_pass() -> None:
    some: tuple[dict[str, Any], ...] = (
        {},
        {"min_pass_rate": 0.0},
        {"policy": "non_inferiority", "max_drop": 0.9},
    )
    for bars in some:
        seen = candidate(gate([], **bars))
        assert seen.verdict is Verdict.INCONCLUSIVE
        assert seen.rate.n == 0
        assert seen.reasons[0] == (
            "people have judged no case on both sides, with base, of at least 20 (min_judged): "
            "`harness review` shows them more"
        )


def test_a_rate_of_people_is_no_point_on_a_line_of_checks() -> None:
    rows = scores({BASE: 5, NEW: 3})
    by_people, by_checks = (
        candidate(gate(rows)),
        candidate(gate(rows, on="passed", min_judged=None)),
    )
    assert by_people.basis.changes(by_checks.basis) == ("cases or checks",)
    assert not by_people.basis.comparable(by_checks.basis)


@pytest.mark.parametrize("judged", [19, 20])
def test_the_last_case_of_min_judged_decides(judged: int) -> None:
    rows = [preferred(case, TIE) for case in CASES[:judged]]
    seen = candidate(gate(rows))
    assert seen.rate.n == judged
    assert seen.verdict is (Verdict.PASS if judged == 20 else Verdict.INCONCLUSIVE)


def test_a_case_that_one_side_alone_was_judged_in_does_not_count() -> None:
    rows = [scored(case, NEW, 5) for case in CASES]
    rows += [scored(case, BASE, 5) for case in CASES[:19]]
    seen = candidate(gate(rows))
    assert seen.verdict is Verdict.INCONCLUSIVE
    assert "people have judged 19 cases" in seen.reasons[0]
    assert candidate(gate([*rows, scored(CASES[19], BASE, 5)])).verdict is Verdict.PASS


def test_lower_scores_are_a_regression_by_the_paired_test_of_every_gate() -> None:
    seen = candidate(gate(scores({BASE: 5, NEW: 3})))
    assert seen.verdict is Verdict.REGRESSED
    assert seen.comparison is not None
    assert seen.comparison.delta == pytest.approx(-0.5)  # two of four steps
    assert seen.comparison.worse == tuple(CASES)
    assert "scored 3.0 of 5 by ann" in seen.reasons[0]
    assert candidate(gate(scores({BASE: 3, NEW: 3}))).verdict is Verdict.PASS


def test_too_few_losses_are_no_regression_either() -> None:
    rows = [preferred(case, BASE) for case in CASES[:19]]
    assert candidate(gate(rows)).verdict is Verdict.INCONCLUSIVE
    assert candidate(gate(rows, min_judged=19)).verdict is Verdict.REGRESSED


def test_wins_and_losses_are_paired_as_scores_are() -> None:
    lost = [preferred(case, BASE if at < 15 else TIE) for at, case in enumerate(CASES)]
    seen = candidate(gate(lost))
    assert seen.verdict is Verdict.REGRESSED
    assert seen.comparison is not None
    assert seen.comparison.delta == pytest.approx(-0.5)  # fifteen of thirty
    assert (seen.rate.passed, seen.rate.n) == (15, 30)
    even = [preferred(case, (BASE, NEW)[at % 2]) for at, case in enumerate(CASES)]
    assert candidate(gate(even)).verdict is Verdict.PASS
    strict: dict[str, Any] = {"policy": "non_inferiority", "max_drop": 0.05}
    assert candidate(gate(even, **strict)).verdict is Verdict.INCONCLUSIVE
    won = [preferred(case, NEW) for case in CASES]
    assert candidate(gate(won, **strict)).verdict is Verdict.PASS


def test_raters_are_averaged_within_a_case() -> None:
    """Two who disagree are one case that is tied, and no two cases."""
    rows = [preferred(case, BASE) for case in CASES] + [preferred(c, NEW, "bob") for c in CASES]
    seen = candidate(gate(rows))
    assert seen.comparison is not None
    assert (seen.comparison.pairs, seen.comparison.delta) == (30, 0.0)


def test_a_bar_is_about_the_cases_that_people_find_good() -> None:
    rows = [*scores({BASE: 2, NEW: 4})[:-1], scored(CASES[-1], NEW, 2)]
    seen = candidate(gate(rows, min_pass_rate=0.9))
    assert (seen.rate.passed, seen.rate.n, seen.verdict) == (29, 30, Verdict.PASS)
    assert candidate(gate(rows, min_pass_rate=0.99)).verdict is Verdict.BELOW_THRESHOLD


def test_broken_machinery_is_an_error_whatever_people_said() -> None:
    broken = result(NEW, CASES[0], outcome=Outcome.ERROR, responses=(), reason="the engine died")
    results = [each for each in RESULTS if (each.variant, each.case) != (NEW, CASES[0])]
    rows = [preferred(case, NEW) for case in CASES]
    seen = candidate(gate(rows, [*results, broken]))
    assert seen.verdict is Verdict.ERROR
    assert "the engine died" in seen.reasons[0]
    missing = candidate(gate(rows, results))
    assert missing.verdict is Verdict.ERROR


def test_a_required_case_has_to_be_judged() -> None:
    results = [replace(each, required=each.case == CASES[-1]) for each in RESULTS]
    seen = candidate(gate([preferred(case, NEW) for case in CASES[:-1]], results))
    assert seen.verdict is Verdict.INCONCLUSIVE
    assert seen.reasons[0] == f"nobody has judged required 1 case: {CASES[-1]}"


def test_that_counts_which_more_cases_have() -> None:
    rows = [*scores({BASE: 5, NEW: 1}), *(preferred(case, NEW) for case in CASES[:29])]
    assert candidate(gate(rows)).verdict is Verdict.REGRESSED
    rows = [preferred(case, NEW) for case in CASES]
    rows += [
        scored(case, variant, s) for variant, s in ((BASE, 5), (NEW, 1)) for case in CASES[:29]
    ]
    assert candidate(gate(rows)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"on": "human"}, "on: human needs min_judged"),
        ({"on": "human", "min_judged": 0}, "greater than or equal to 1"),
        ({"on": "passed", "min_judged": 5}, "min_judged is for on: human"),
    ],
)
def test_min_judged_stands_with_people_and_with_them_alone(
    settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        GateSettings(**settings)


# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: four observers, twelve units.
OBSERVERS = {
    "A": "1 2 3 3 2 1 4 1 2 . . .",
    "B": "1 2 3 3 2 2 4 1 2 5 . 3",
    "C": ". 3 3 3 2 3 4 2 2 5 1 .",
    "D": "1 2 3 3 2 4 4 1 2 5 1 .",
}
UNITS = [
    {who: int(said) for who, text in OBSERVERS.items() if (said := text.split()[at]) != "."}
    for at in range(12)
]


@pytest.mark.parametrize(("metric", "value"), [("nominal", 0.743), ("interval", 0.849)])
def test_alpha_is_that_of_its_author(metric: Any, value: float) -> None:
    found = krippendorff_alpha(UNITS, metric)
    assert (found.n, found.raters, found.reason) == (11, 4, "")  # the last has one observer
    assert found.value == pytest.approx(value, abs=0.0005)


@pytest.mark.parametrize(
    ("units", "n", "said"),
    [
        ([{"ann": 1}], 0, "no answer was judged by two people"),
        ([{"ann": 1, "bob": 2}] * 9, 9, "9 answers judged by two people, 10 are needed"),
        ([{"ann": 3, "bob": 3}] * 12, 12, "all said the same of everything"),
    ],
)
def test_where_nobody_can_tell_alpha_is_none_with_a_reason(
    units: list[dict[str, int]], n: int, said: str
) -> None:
    found = krippendorff_alpha(units, "interval")
    assert (found.n, found.value) == (n, None)
    assert said in found.reason


def test_without_its_library_alpha_is_none_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "nltk.metrics", None)
    found = krippendorff_alpha(UNITS, "nominal")
    assert (found.n, found.value) == (11, None)
    assert 'pip install "lora-regression-harness[review]"' in found.reason
