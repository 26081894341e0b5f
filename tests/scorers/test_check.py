"""Checks as suite files write them: forms, errors with their places, hashes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from harness.scorers import Answer, CheckField, Context, load_context, parse_check


def _problems(raw: Any) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        parse_check(raw)
    return [(row["loc"], row["msg"]) for row in caught.value.errors()]


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("lowercase", {"lowercase": {}}),
        ({"lowercase": None}, {"lowercase": {}}),
        ({"contains": "a"}, {"contains": {"text": "a"}}),
        ({"contains": {"text": "a"}}, {"contains": {"text": "a"}}),
        ({"words": 3}, {"words": {"exactly": 3}}),
        ({"one_of": ["a", "b"]}, {"one_of": {"texts": ["a", "b"]}}),
        ({"not": {"contains": "a"}}, {"not": {"check": {"contains": {"text": "a"}}}}),
        ({"not": "lowercase"}, {"not": {"check": {"lowercase": {}}}}),
        ({"contains": "a", "weight": 2}, {"contains": {"text": "a"}, "weight": 2.0}),
        ({"numeric": 19.99}, {"numeric": {"equals": 19.99}}),
    ],
)
def test_forms_of_a_check(raw: Any, written: Any) -> None:
    assert parse_check(raw).as_json() == written


@pytest.mark.parametrize(
    ("raw", "place", "message"),
    [
        ({"contians": "a"}, (), "check 'contians' is not known"),
        ({}, (), "a check is one name with its arguments, like `contains: Lina`"),
        (
            {"contains": "a", "regex": "b"},
            (),
            "a check is one name with its arguments, like `contains: Lina`",
        ),
        ({"contains": "a", "weight": 0}, (), "weight must be a number above 0"),
        ({"contains": "a", "weight": float("nan")}, (), "weight must be a number above 0"),
        ({"contains": "a", "weight": True}, (), "weight must be a number above 0"),
        ({"at_least": ["lowercase"]}, (), "check 'at_least' takes named arguments: of, n"),
        ({"contains": 42}, ("contains",), "a text is wanted, not 42: put it in quotes"),
        (
            {"contains": {"text": 42}},
            ("contains", "text"),
            "a text is wanted, not 42: put it in quotes",
        ),
        ({"contains_any": "a"}, ("contains_any",), "a list of texts is wanted: write [a]"),
        ({"contains_any": []}, ("contains_any",), "at least one entry is wanted"),
        ({"all_of": []}, ("all_of",), "at least one entry is wanted"),
        (
            {"not": {"contains": 1}},
            ("not", "contains"),
            "a text is wanted, not 1: put it in quotes",
        ),
        (
            {"not": {"all_of": ["json", {"regex": "(a"}]}},
            ("not", "all_of", 1, "regex"),
            "the pattern does not compile: missing ) at position 2 (the end)",
        ),
        (
            {"regex": "a[b"},
            ("regex",),
            "the pattern does not compile: unterminated character set at position 3 (the end)",
        ),
        ({"words": {}}, ("words",), "one of min, max and exactly is wanted"),
        ({"words": {"min": 3, "max": 2}}, ("words",), "min 3 is above max 2"),
        (
            {"words": {"exactly": 3, "max": 2}},
            ("words",),
            "exactly stands alone, without min and max",
        ),
        ({"numeric": {"tolerance": 1}}, ("numeric",), "one of equals, min and max is wanted"),
        (
            {"numeric": {"min": 1, "tolerance": 1}},
            ("numeric",),
            "tolerance and relative go with equals",
        ),
        ({"numeric": "twelve"}, ("numeric",), "a number is wanted, not 'twelve'"),
        ({"numeric": float("inf")}, ("numeric",), "a finite number is wanted, not inf"),
        ({"at_least": {"n": 2, "of": ["json"]}}, ("at_least",), "n is 2, and there are 1 checks"),
        ({"json_schema": {}}, ("json_schema",), "schema or file is wanted"),
        (
            {"json_schema": {"file": "a.json"}},
            ("json_schema",),
            "a file cannot be read here: write the schema itself",
        ),
        (
            {"json_schema": {"schema": 1}},
            ("json_schema", "schema"),
            "a schema is a mapping, true or false, not 1",
        ),
        (
            {"json_schema": {"schema": "{"}},
            ("json_schema", "schema"),
            "the schema is not JSON: no JSON at line 1 column 2 (the end)",
        ),
        (
            {"json_value": {"path": "total", "equals": 1}},
            ("json_value", "path"),
            "a JSONPath begins with $, like $.total or $.items[0].name",
        ),
        (
            {"json_value": {"path": "$.a b", "equals": 1}},
            ("json_value", "path"),
            "cannot read 'b' at position 4: expected '.', '..' or a bracketed selection, found 'b'",
        ),
        (
            {"json_value": {"path": "$..a..b", "equals": 1}},
            ("json_value", "path"),
            "more than one .. in a path is not supported",
        ),
        (
            {"json_value": {"path": "$.a"}},
            ("json_value",),
            "one of equals, one_of, regex, type, min, max, exists, count is wanted",
        ),
        (
            {"json_value": {"path": "$.a", "exists": False, "equals": 1}},
            ("json_value",),
            "exists: false stands alone",
        ),
        (
            {"json_value": {"path": "$.a", "count": 2}},
            ("json_value",),
            "$.a selects one value at most: for the elements write $.a[*]",
        ),
        (
            {"json_value": {"path": "$.a", "equals": float("nan")}},
            ("json_value", "equals"),
            "nan is no JSON value",
        ),
        ({"code_block": {"min": 2, "max": 1}}, ("code_block",), "min 2 is above max 1"),
        ({"regex": {"pattern": "a", "min": 2, "max": 1}}, ("regex",), "min 2 is above max 1"),
        (
            {"regex": {"pattern": "a", "full": True, "max": 1}},
            ("regex",),
            "with full, there is one match: leave max out",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    raw: Any, place: tuple[int | str, ...], message: str
) -> None:
    assert _problems(raw) == [(place, message)]


def test_an_unknown_check_comes_with_the_known_ones() -> None:
    with pytest.raises(ValidationError) as caught:
        parse_check({"contians": "a"})

    context = caught.value.errors()[0]["ctx"]
    assert context["did_you_mean"] == "contains"
    assert "contains_all" in context["known"]


def test_all_problems_of_a_check_are_found_at_once() -> None:
    problems = _problems({"all_of": [{"contains": 1}, {"regex": "("}, "nope"]})

    assert [place for place, _ in problems] == [
        ("all_of", 0, "contains"),
        ("all_of", 1, "regex"),
        ("all_of", 2),
    ]


def test_the_context_of_a_model_reaches_its_checks() -> None:
    class Case(BaseModel):
        checks: tuple[CheckField, ...]

    raw = {"checks": [{"not": {"python": {"ref": "harness.scorers.examples:polite", "words": []}}}]}

    case = Case.model_validate(raw, context=load_context(modules=["harness.scorers"]))

    assert case.checks[0](Answer("a"), Context()).passed is True


def test_two_spellings_of_one_check_have_one_hash() -> None:
    assert parse_check("json").as_json() == parse_check({"json": {}}).as_json()
    assert parse_check({"not": "json"}).as_json() == parse_check({"not": {"json": None}}).as_json()


def test_checks_that_nest_without_end_are_an_error() -> None:
    raw: Any = "json"
    for _ in range(2_000):
        raw = {"not": raw}

    with pytest.raises(ValidationError, match="the checks nest too deep"):
        parse_check(raw)


def test_checks_inside_a_check_are_found_wherever_they_stand() -> None:
    several = parse_check({"any_of": ["json", {"not": {"contains": "a"}}]})
    assert [check.name for check in several.inner] == ["json", "not"]
    assert [check.name for check in several.inner[1].inner] == ["contains"]
    assert parse_check({"contains": "a"}).inner == ()
