"""The figures beside pass rates: counted from plain results, only where checks give them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common import Variant
from harness.evaluation import Transcript, Trial, score_trial
from harness.reports import ExtrasCount, Section, collect_extras
from harness.reports.sections.ifeval import IfevalSection
from harness.reports.sections.json_levels import JsonLevelsSection
from harness.reports.sections.role import RoleSection
from harness.reports.sections.stability import StabilitySection, Unstable
from harness.results import CheckResult, Outcome, Result
from harness.scorers import Answer, Context, parse_check
from harness.suites import Case, Position, Turn
from tests.reports.samples import result

FORBIDDEN = {"id": "keywords:forbidden_words", "forbidden_words": ["fee"]}
LONG = {"id": "length_constraints:number_words", "num_words": 3, "relation": "at least"}
SCHEMA = {"schema": {"type": "object", "required": ["total"]}}


def scored(*answers: str, checks: list[Any], name: str = "c") -> Result:
    """A result as the runner makes it: each turn has the same checks."""
    from harness.backends import Completion
    from harness.common import Message

    turns = tuple(Turn("q", tuple(map(parse_check, checks))) for _ in answers)
    case = Case(name, "s", "x", Position("s.yaml", 1, 1), turns)
    messages = tuple(Message("user", "q") for _ in answers)
    said = tuple(Completion(answer, "stop") for answer in answers)
    return score_trial(Trial(case, Variant("v", "m")), Transcript(messages, said))


Row = TypeVar("Row")


def counted(section: Section[Row], results: Iterable[Result]) -> tuple[Row, ...]:
    """The rows of a section after these results."""
    for each in results:
        section.see(each)
    return tuple(section.rows())


def test_results_are_counted_on_their_way_to_another_reader() -> None:
    results = [scored("{}", checks=["json"]), scored("no", checks=["json"])]
    count = ExtrasCount()

    assert list(count.passing(results)) == results
    assert count.extras() == collect_extras(results) != {}


def test_a_run_without_such_checks_has_no_extras() -> None:
    assert collect_extras([scored("yes", checks=[{"contains": "yes"}])]) == {}


def test_ifeval_counts_prompts_and_instructions_strictly_and_loosely() -> None:
    both = [{"ifeval": FORBIDDEN}, {"ifeval": LONG}, {"contains": "never there"}]
    answers = ["one two three", "the fee is high", "fee\none two three", ""]

    (row,) = counted(
        IfevalSection(),
        (scored(answer, checks=both, name=f"c{n}") for n, answer in enumerate(answers)),
    )

    assert (row.suite, row.variant, row.prompts, row.instructions) == ("s", "v", 4, 8)
    assert (row.prompt_strict, row.prompt_loose) == (1 / 4, 2 / 4)
    assert (row.instruction_strict, row.instruction_loose) == (4 / 8, 5 / 8)


def test_json_levels_are_reported_apart() -> None:
    checks = [{"json_schema": SCHEMA}, {"json_value": {"path": "$.total", "equals": 1}}]
    answers = ['{"total": 1}', '{"total": 2}', '{"sum": 1}', 'So: {"total": 1}', "no", ""]

    (row,) = counted(JsonLevelsSection(), (scored(answer, checks=checks) for answer in answers))

    assert [(level.level, level.reached, level.n) for level in row.levels] == [
        ("L0", 3, 6),
        ("L1", 4, 6),
        ("L2", 3, 6),
        ("L3", 2, 6),
    ]


def test_a_level_that_no_check_looks_at_is_left_out() -> None:
    (row,) = counted(JsonLevelsSection(), [scored("{}", checks=["json"])])

    assert [level.level for level in row.levels] == ["L0", "L1"]


def test_a_role_is_followed_from_turn_to_turn() -> None:
    lina = [{"contains": "Lina"}]
    talks = [("Lina", "Lina", "Qwen"), ("Lina", "Qwen", "Qwen"), ("Lina", "Lina")]

    (row,) = counted(RoleSection(), (scored(*answers, checks=lina) for answers in talks))

    assert row.conversations == 3
    assert [(t.turn, t.stability, t.n) for t in row.turns] == [
        (1, 1.0, 3),
        (2, pytest.approx(2 / 3), 3),
        (3, 0.0, 2),
    ]
    assert row.drift == pytest.approx(2 / 3)


def test_one_turn_is_no_drift() -> None:
    talk = scored("Lina", checks=[{"contains": "Lina"}])

    assert counted(RoleSection(), [talk]) == ()


def test_an_error_is_in_no_accuracy() -> None:
    broken = scored("{}", checks=["json", {"ifeval": LONG}])
    object.__setattr__(broken, "outcome", Outcome.ERROR)

    assert collect_extras([broken]) == {}


def repeats(case: str, outcomes: list[Outcome], answers: list[str]) -> list[Result]:
    return [
        result(case, outcome=outcome, repeat=n, responses=(answer,))
        for n, (outcome, answer) in enumerate(zip(outcomes, answers, strict=True))
    ]


PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR


def test_stability_names_cases_and_repeats() -> None:
    rows = [
        *repeats("same", [PASS] * 3, ["a", "a", "a"]),
        *repeats("words", [PASS] * 3, ["a", "b", "c"]),
        *repeats("flips", [PASS, FAIL, ERROR], ["a", "b", "b"]),
        *repeats("once", [FAIL], ["a"]),
    ]

    (row,) = counted(StabilitySection(), rows)

    assert (row.cases, row.repeats) == (3, 3)
    assert row.changed_share == pytest.approx(1 / 3)
    assert row.agreement == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert row.unstable == (Unstable(case="flips", passed=(0,), not_passed=(1, 2)),)


def test_without_repeats_there_is_no_stability() -> None:
    assert counted(StabilitySection(), [result("a"), result("b")]) == ()


@given(st.lists(st.lists(st.sampled_from(list(Outcome)), min_size=2, max_size=4), max_size=6))
def test_unstable_are_the_cases_that_pass_in_some_of_their_repeats(
    table: list[list[Outcome]],
) -> None:
    rows = [
        one
        for n, outcomes in enumerate(table)
        for one in repeats(f"c{n}", outcomes, ["a"] * len(outcomes))
    ]

    named = {case.case for row in counted(StabilitySection(), rows) for case in row.unstable}

    answered = [[o is PASS for o in outcomes if o is not Outcome.SKIPPED] for outcomes in table]
    assert named == {f"c{n}" for n, passed in enumerate(answered) if len(set(passed)) > 1}


def test_the_check_of_ifeval_gives_what_is_counted() -> None:
    """The names in a check's detail are those that the extras read."""
    finding = parse_check({"ifeval": LONG})(Answer("one two three"), Context())
    levels = parse_check({"json_schema": SCHEMA})(Answer("{}"), Context()).detail["levels"]

    assert {"strict", "loose"} <= finding.detail.keys()
    assert levels == {"L0": True, "L1": True, "L2": False}
    assert CheckResult("ifeval", 0, True, 1.0, "").detail == {}
