"""What people said of answers: which rows stand, and which answers they are about."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.common import InputError
from harness.results import (
    TIE,
    AnswerStep,
    HumanJudgement,
    JudgedAnswer,
    Outcome,
    Result,
    answer_digest,
    judged_among,
    judgement_from_json,
    judgement_to_json,
    places_of,
    standing,
)


def result(variant: str = "base", *said: str, repeat: int = 0, asks: str = "Why?") -> Result:
    prompt = ({"role": "system", "content": variant}, {"role": "user", "content": asks})
    return Result("s", "c", "a", variant, repeat, Outcome.PASS, 1.0, said, prompt=prompt)


def judgement(name: str, **fields: object) -> HumanJudgement:
    row = HumanJudgement(
        id=name,
        suite="s",
        case="a",
        turn=0,
        repeat=0,
        answers=(JudgedAnswer("base", answer_digest(result("base", "So."), 0)),),
        rater="ann",
        time="2026-11-29T12:00:00.000+00:00",
        criterion="clear",
        score=4,
    )
    return replace(row, **fields)  # type: ignore[arg-type]  # a test's own fields


def test_a_later_judgement_of_the_same_replaces_the_earlier_one() -> None:
    first, second = judgement("1"), judgement("2", score=2)
    assert standing([first, second]) == (second,)


def test_an_undo_brings_the_earlier_judgement_back() -> None:
    first, second = judgement("1"), judgement("2", score=2)
    assert standing([first, second, second.undone()]) == (first,)
    assert standing([first, first.undone()]) == ()


@pytest.mark.parametrize(
    "other",
    [{"rater": "bob"}, {"criterion": "kind"}, {"turn": 1}, {"case": "b"}, {"suite": "t"}],
)
def test_judgements_of_different_things_stand_beside_each_other(other: dict[str, object]) -> None:
    rows = (judgement("1"), judgement("2", **other))
    assert standing(rows) == rows


def test_a_pair_is_the_same_on_whichever_sides_it_is_shown() -> None:
    left, right = JudgedAnswer("base", "d1"), JudgedAnswer("new", "d2")
    first = judgement("1", answers=(left, right), criterion="", score=None, preferred="new")
    second = replace(first, id="2", answers=(right, left), preferred=TIE)
    assert (first.better, second.better) == ("d2", None)
    assert standing([first, second]) == (second,)


def test_an_answer_is_known_by_what_was_asked_and_said_alone() -> None:
    same = answer_digest(result("base", "So."), 0)
    assert answer_digest(result("new", "So.", repeat=3), 0) == same
    assert answer_digest(result("base", "So!"), 0) != same
    assert answer_digest(result("base", "So.", asks="How?"), 0) != same
    assert answer_digest(result("base", "So.", "And so on."), 0) == same
    assert answer_digest(result("base", "So.", "And so on."), 1) != same
    steps = (AnswerStep(0, "call"), AnswerStep(0, "So."))
    assert answer_digest(replace(result("base", "So."), steps=steps), 0) != same


def test_a_judgement_counts_for_whoever_gave_the_same_answer() -> None:
    rows = (judgement("1"),)
    results = [result("new", "So."), result("new", "No.", repeat=1), result("other", "So.")]
    places = places_of(rows, results)
    assert list(places.values()) == [[("new", 0), ("other", 0)]]
    assert judged_among(rows, places) == rows
    assert judged_among(rows, places_of(rows, [result("base", "No.")])) == ()


def test_a_judgement_survives_json() -> None:
    pair = (JudgedAnswer("base", "d1"), JudgedAnswer("new", "d2"))
    tie = judgement("2", answers=pair, criterion="", score=None, preferred=TIE, note="näh")
    for row in (judgement("1"), tie, tie.undone()):
        assert judgement_from_json(json.loads(json.dumps(judgement_to_json(row)))) == row


@pytest.mark.parametrize("score", [0, 6, 4.5, "4"])
def test_a_score_is_a_whole_number_from_1_to_5(score: object) -> None:
    row = {**judgement_to_json(judgement("1")), "score": score}
    with pytest.raises(InputError, match="score"):
        judgement_from_json(row)
