"""Answers cut to what counts in them: golden rows of the harnesses whose rules these are."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from harness.scorers import Answer, Context, Finding, parse_check

GSM8K = {"regex": r"#### (\-?[0-9\.\,]+)"}
NUMBER = {"regex": r"(-?[$0-9.,]{2,})|(-?[0-9]+)", "pick": -1}
LOOSE = [",", r"\$", r"(?s).*#### ", r"\.$"]
SQUAD = ["case", "punctuation", "articles", "spaces"]


def found(answer: str, references: Any, **arguments: Any) -> Finding:
    check = parse_check({"normalized_match": {"references": references, **arguments}})
    return check(Answer(answer, answer), Context())


# answer, references, arguments, whether it passes
GOLDEN: tuple[tuple[str, Any, dict[str, Any], bool], ...] = (
    ("Paris", "Paris", {}, True),
    ("paris", "Paris", {}, False),
    ("paris", "Paris", {"ignore": ["case"]}, True),
    ("Pa-ris!", "Paris", {"ignore": ["punctuation"]}, True),
    ("Paris 12", "Paris ", {"ignore": ["numbers"]}, True),
    ("Paris", ["Rome", "Paris"], {}, True),
    # filters of lm-evaluation-harness: the pick of all matches, its first group that holds text
    ("So 3 + 4.\n#### 1,204.", "x #### 1204", {"filters": [GSM8K], "remove": LOOSE}, True),
    ("The answer is 1204.", "1204", {"filters": [GSM8K], "remove": LOOSE}, False),
    ("First 12, then $1,204.", "1204", {"filters": [NUMBER], "remove": LOOSE}, True),
    ("First 12, then 7", "7", {"filters": [NUMBER]}, True),
    ("First 12, then 7", "12,", {"filters": [{**NUMBER, "pick": 0}]}, True),
    ("First 12, then 7", "12", {"filters": [{**NUMBER, "pick": 1}]}, False),
    ("First 12, then 7", "[invalid]", {"filters": [{**NUMBER, "pick": 2}]}, True),
    ("none", "?", {"filters": [{**GSM8K, "fallback": "?"}]}, True),
    ("ANSWER: b", "b", {"filters": [{"regex": r"answer: (\w)", "ignore_case": True}]}, True),
    ("  YES \n", "yes", {"filters": ["strip", "lower"]}, True),
    ("yes", "YES", {"filters": ["upper"]}, True),
    # where the reference stands, as the scorer `match` of inspect_ai has it
    ("It is (Paris).", "paris", {"where": "end", "ignore": ["case", "edges"]}, True),
    ("It is Paris, I think", "paris", {"where": "end", "ignore": ["case", "edges"]}, False),
    ('"Paris" it is', "paris", {"where": "begin", "ignore": ["case", "edges"]}, True),
    ("It is Paris, yes", "Paris", {"where": "any"}, True),
    # the fuzzy match of OpenAI's evals: one of the two stands in the other
    ("It is the U.S.A.!", "usa", {"where": "either", "ignore": SQUAD}, True),
    ("the cat", "A cat on a mat", {"where": "either", "ignore": SQUAD}, True),
    ("dog", "A cat on a mat", {"where": "either", "ignore": SQUAD}, False),
    ("The  Cat.", "cat", {"ignore": SQUAD}, True),
    ("!", "cat", {"where": "either", "ignore": SQUAD}, False),
)


@pytest.mark.parametrize(("answer", "references", "arguments", "passes"), GOLDEN)
def test_golden(answer: str, references: Any, arguments: dict[str, Any], passes: bool) -> None:
    assert found(answer, references, **arguments).passed is passes


def test_the_reason_shows_what_the_filters_left() -> None:
    wrong = found("#### 12", ["7", "8"], filters=[GSM8K])
    assert wrong.reason == "'12' not: is '7' or 1 more"
    assert wrong.detail["extracted"] == "12"
    assert found("#### 7", "7", filters=[GSM8K]).reason == "'7' is '7'"


def test_a_pattern_that_takes_too_long_cannot_tell() -> None:
    slow = found("a" * 60 + "!", "x", filters=[{"regex": r"(?:(?:a|aa)+)+$"}])
    assert slow.passed is None
    assert "took longer than" in slow.reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": [{"regex": "("}]}, "does not compile"),
        ({"filters": ["trim"]}, "'strip', 'lower' or 'upper'"),
        ({"ignore": ["case", "case"]}, "each of these stands once"),
        ({"ignore": ["cases"]}, "'case'"),
        ({"where": "end", "remove": ["x"]}, "nothing is left of the reference 'x'"),
        ({"references": []}, "at least one entry is wanted"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse_check({"normalized_match": {"references": "x", **arguments}})
