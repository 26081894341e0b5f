"""Which answers are shown, in which order, and that nothing shown says whose they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.common import InputError, VariantRole
from harness.results import CheckResult, Outcome, Result, RunInfo, VariantInfo, Verdict
from harness.review import Review, ReviewItem, ReviewOptions, in_order, plan_review
from harness.store import Store
from harness.suites import load_suites
from tests.store.test_store import info

NAMES = ("zebra-base", "zebra-tuned", "zebra-other")


def run(*names: str) -> RunInfo:
    roles = [VariantRole.BASELINE, *[VariantRole.CANDIDATE] * len(names)]
    return replace(
        info("run"),
        baseline=names[0],
        variants=tuple(
            VariantInfo(name, role, "m", None, "w", "", {})
            for name, role in zip(names, roles, strict=False)
        ),
    )


def answer(
    variant: str, case: str = "a", said: str = "", *, repeat: int = 0, passed: bool = True,
    score: float | None = None,
) -> Result:  # fmt: skip
    outcome = Outcome.PASS if passed else Outcome.FAIL
    value = float(passed) if score is None else score
    return Result(
        "s",
        "c",
        case,
        variant,
        repeat,
        outcome,
        value,
        (said or f"{case} as number {NAMES.index(variant)} says it, {repeat}",),
        checks=(CheckResult("chrf", 0, passed, value, ""),),
        prompt=(
            {"role": "system", "content": f"You are {variant}."},
            {"role": "user", "content": f"Why {case}?"},
        ),
    )


def planned(
    results: Sequence[Result], names: Sequence[str] = NAMES[:2], **options: Any
) -> tuple[ReviewItem, ...]:
    verdicts = options.pop("verdicts", ())
    return plan_review(
        run(*names),
        lambda: iter(results),
        ReviewOptions(**options),
        cases={},
        verdicts=verdicts,
    )


def test_what_the_statistics_call_uncertain_comes_first_with_its_reason() -> None:
    base, tuned = NAMES[:2]
    results = [answer(name, case) for case in ("sure", "sure2") for name in (base, tuned)]
    results += [answer(base, "variants"), answer(tuned, "variants", passed=False)]
    results += [answer(base, "near", score=0.62), answer(tuned, "near", score=0.95)]
    results += [answer(name, "bar", passed=False, score=0.6) for name in (base, tuned)]
    results += [answer(name, "low", passed=False, score=0.4) for name in (base, tuned)]
    results += [answer(base, "repeats", repeat=n, passed=n > 0) for n in range(2)]
    results += [answer(tuned, "repeats", repeat=n) for n in range(2)]

    items = planned(results)
    assert {item.case: item.why for item in items} == {
        "repeats": "its repeats do not agree",
        "near": "a score is near its bar",
        "bar": "a score is near its bar",
        "variants": "the variants do not agree",
    }
    assert [item.case for item in items][:2] == ["repeats", "repeats"]
    assert items[-1].case == "variants"

    more = planned(results, verdicts=[("s", Verdict.INCONCLUSIVE)])
    assert {item.case for item in more} == {item.case for item in items} | {"sure", "sure2", "low"}
    assert more[-1].why == "its suite is inconclusive"


def test_where_nothing_is_uncertain_cases_are_drawn() -> None:
    results = [answer(name, f"c{n}") for n in range(30) for name in NAMES[:2]]
    items = planned(results)
    assert len(items) == 20
    assert {item.why for item in items} == {"drawn at random"}
    assert [item.id for item in items] == [item.id for item in planned(results)]
    assert [item.id for item in items] != [item.id for item in planned(results, seed=1)]
    assert len(planned(results, sample=5)) == 5
    assert len(planned(results, sample=99)) == 30
    assert [item.case for item in planned(results, cases=("c1", "c2*"), by="pairs")] != []
    assert {i.case for i in planned(results, cases=("c1?",))} == {f"c1{n}" for n in range(10)}


def test_a_pair_of_the_same_text_is_shown_to_nobody() -> None:
    results = [answer(NAMES[0], "a", "So."), answer(NAMES[1], "a", "So.")]
    with pytest.raises(InputError, match="nothing to judge"):
        planned(results)
    (one,) = planned(results, by="scores")
    assert len(one.answers) == 1


def test_every_candidate_is_compared_with_the_baseline() -> None:
    results = [answer(name) for name in NAMES]
    items = planned(results, NAMES)
    assert {frozenset(a.variant for a in item.answers) for item in items} == {
        frozenset((NAMES[0], other)) for other in NAMES[1:]
    }
    (pair,) = planned(results, NAMES, variants=NAMES[1:])
    assert {a.variant for a in pair.answers} == set(NAMES[1:])


def test_a_score_has_the_criteria_of_its_suite_or_those_given(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "suite: s\ncategory: c\ncases:\n"
        "  - {id: a, turns: [{user: Why?, checks: [{judge: It is kind.}, {judge: It is short.}]},"
        " {user: And?, checks: [{contains: x}]}]}\n"
    )
    cases = {case.id: case for suite in load_suites([path]) for case in suite.cases}
    result = replace(
        answer(NAMES[0]),
        responses=("First.", "Second."),
        prompt=(
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "First."},
            {"role": "user", "content": "And?"},
        ),
    )

    def plan(**options: object) -> list[tuple[int, tuple[str, ...]]]:
        items = plan_review(
            run(NAMES[0]),
            lambda: iter([result]),
            ReviewOptions(**options),  # type: ignore[arg-type]  # a test's own fields
            cases=cases if "criteria" not in options else {},
        )
        return [(item.turn, item.criteria) for item in items]

    assert plan() == [(0, ("It is kind.", "It is short."))]
    assert plan(criteria=("clear",)) == [(1, ("clear",))]
    (item,) = plan_review(run(NAMES[0]), lambda: [result], ReviewOptions(), cases={})
    assert item.criteria == ("overall",)
    assert (*item.asked, *item.answers[0].conversation) == (
        ("user", "Why?"),
        ("assistant", "First."),
        ("user", "And?"),
        ("assistant", "Second."),
    )


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (NAMES[:1], {"by": "pairs"}, "has one variant: there is nothing to compare"),
        (NAMES[:2], {"by": "pairs", "variants": NAMES[:1]}, "a comparison needs two variants"),
        (NAMES[:2], {"variants": ("zebra-tunde",)}, "did you mean: zebra-tuned"),
        (NAMES[:2], {"suites": ("t",)}, "has no suite 't'"),
        (NAMES[:2], {"cases": ("b",)}, "has no such case"),
    ],
)
def test_what_the_run_does_not_have_is_said(
    names: tuple[str, ...], options: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        planned([answer(name) for name in names], names, **options)


def test_answers_that_are_gone_are_said() -> None:
    gone = [replace(answer(name), responses=(), outcome=Outcome.ERROR) for name in NAMES[:2]]
    with pytest.raises(InputError, match="holds no answer of these cases"):
        planned(gone, sample=1)


@settings(max_examples=20)
@given(
    rater=st.text(min_size=1, max_size=20),
    seed=st.integers(0, 1000),
    by=st.sampled_from(["scores", "pairs"]),
)
def test_nothing_that_is_shown_names_a_variant(
    tmp_path_factory: pytest.TempPathFactory, rater: str, seed: int, by: str
) -> None:
    """Neither the items nor their order nor the sides say whose an answer is."""
    results = [answer(name, f"c{n}", passed=n % 2 > 0) for n in range(3) for name in NAMES]
    path = tmp_path_factory.getbasetemp() / "blind.db"
    Store(path).close()
    items = planned(results, NAMES, by=by, seed=seed)
    review = Review(path, items, seed)
    told = json.dumps([review.view(rater, number) for number in range(len(items))])
    assert "zebra" not in told
    assert len(items) > 4


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), raters=st.lists(st.text(min_size=1), min_size=2, unique=True))
def test_each_side_has_each_variant_equally_often(seed: int, raters: list[str]) -> None:
    results = [answer(name, f"c{n}") for n in range(41) for name in NAMES]
    items = planned(results, NAMES, by="pairs", sample=41)
    sides = {rater: in_order(items, rater, seed) for rater in raters}
    for shown in sides.values():
        assert [frozenset(each) for each in shown] == [frozenset(item.answers) for item in items]
        for other in NAMES[1:]:
            first = [one.variant for one, two in shown if other in (one.variant, two.variant)]
            assert sorted((first.count(other), first.count(NAMES[0]))) == [20, 21]
    assert len(set(sides.values())) == len(raters)  # nobody sees the sides of another
    assert sides[raters[0]] == in_order(items, raters[0], seed)
    assert sides[raters[0]] != in_order(items, raters[0], seed + 1)
