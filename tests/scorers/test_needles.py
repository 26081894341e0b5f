"""Hidden values count only as whole tokens."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.scorers import Answer, Context, Finding, parse_check


def score(check: object, text: str) -> Finding:
    """The finding of a check on a text."""
    return parse_check(check)(Answer(text), Context())


# value, answer, found
NEEDLES = [
    ("7481936", "The number is 7481936.", True),
    ("7481936", "The number is 7,481,936.", True),
    ("7481936", "Die Nummer ist 7.481.936.", True),
    ("7481936", "Le numéro est 7\u202f481\u202f936.", True),
    ("7481936", "7 481 936", True),
    ("7481936", "7'481'936", True),
    ("7481936", "**7481936**", True),
    ("7481936", "17481936", False),
    ("7481936", "74819361", False),
    ("7481936", "1,7481936", True),  # no grouping: a list without spaces
    ("7481936", "12,7481936,5", True),
    ("481936", "7,481,936", False),
    ("748193", "748,193,600", False),
    ("748193", "748,193", True),
    ("748193", "748,19 3", False),
    ("748193", "748,193.50", False),
    ("482", "482", True),
    ("482", "1,482", False),
    ("482", "482,117", False),
    ("482", "4821", False),
    ("482", "482.5", False),
    ("482", "3.482", False),
    ("482", "-482", False),
    ("482", "A-482", True),
    ("482", "It is 482.", True),
    ("7481", "7481,9022,5513", True),
    ("9022", "7481,9022,5513", True),
    ("1234567", "１２３４５６７", True),
    ("1234567", "1,234.567", False),
    ("red", "hundred", False),
    ("red", "The red one", True),
    ("Red", "the red one", False),
    ("blauer Wal", "Es ist ein blauer Wal.", True),
    ("b7f3-11", "The id is b7f3-11.", True),
    ("b7f3-11", "The id is b7f3-115.", False),
    ("a+b", "compute a+b now", True),
    ("синий кит", "Это синий кит.", True),
    ("кит", "китай", False),
]


@pytest.mark.parametrize(("value", "text", "found"), NEEDLES)
def test_needle(value: str, text: str, found: bool) -> None:
    assert score({"needle": value}, text).passed is found


def test_han_neighbours_are_no_part_of_a_number() -> None:
    assert score({"needle": 7481936}, "答案是7481936。").passed is True


def test_needle_takes_numbers_from_yaml() -> None:
    assert score({"needle": 7481}, "7481").passed is True


def test_needle_may_ignore_case() -> None:
    assert score({"needle": {"value": "Red", "ignore_case": True}}, "the red one").passed is True


def test_needles_score_is_recall() -> None:
    found = score({"needles": ["11", "22", "33", "44"]}, "11 and 33 and 333")
    assert (found.passed, found.score) == (False, 0.5)
    assert found.reason == "2 of 4 values found; missing: 22, 44"


def test_needles_any_is_enough_without_all() -> None:
    found = score({"needles": {"values": ["11", "22"], "all": False}}, "22")
    assert (found.passed, found.score) == (True, 0.5)


def test_what_stands_beside_a_value_is_named() -> None:
    check = {"needle": {"value": 3, "others": [4], "only": True}}

    found = score(check, "4, 3 or 12, or 12")

    assert found.reason == "'3' found, and others beside it: 4, 12"
    assert found.detail == {"others": ["4", "12"]}


def test_a_guess_lowers_the_score_of_needles() -> None:
    found = score({"needles": {"values": ["11", "22"], "others": ["33", "44"]}}, "11 22 33 44")

    assert (found.passed, found.score) == (False, 0.5)
    assert found.reason == "2 of 2 values found; others beside them: 33, 44"


def test_empty_values_are_refused_at_load_time() -> None:
    with pytest.raises(ValidationError, match="the hidden value is empty"):
        parse_check({"needle": " "})
    with pytest.raises(ValidationError):
        parse_check({"needles": []})
    with pytest.raises(ValidationError, match="the hidden value is empty"):
        parse_check({"needle": {"value": "a", "others": [""]}})
