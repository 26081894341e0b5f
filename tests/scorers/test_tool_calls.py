"""Checks on calls of tools: golden tables, and where they differ from BFCL's checker."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from pydantic import ValidationError

from harness.common import ToolCall
from harness.scorers import Answer, Context, Finding, ToolProblemError, declared_tool, parse_check
from harness.scorers.tool_calls import matching

BOOK = declared_tool(
    {
        "name": "book",
        "description": "Book a table.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "guests": {"type": "integer"},
                "budget": {"type": "number"},
                "outdoor": {"type": "boolean", "default": False},
                "tags": {"type": "array", "items": {"type": "string"}},
                "prices": {"type": "array", "items": {"type": "number"}},
                "contact": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                },
            },
            "required": ["city"],
        },
    }
)
TIME = declared_tool({"name": "get_time"})
CONTEXT = Context(tools=(BOOK, TIME))


def say(check: Any, *calls: ToolCall) -> Finding:
    return parse_check(check)(Answer("", calls=calls), CONTEXT)


def book(**arguments: Any) -> ToolCall:
    return ToolCall("book", arguments)


NOW = ToolCall("get_time", {})
# what is expected of the arguments, what is given, whether it passes, and what BFCL's checker says
# (commit 6ea5797) where it says something else: None where it says the same.
VALUES: list[tuple[dict[str, Any], dict[str, Any], bool, bool | None]] = [
    ({"city": "Paris"}, {"city": "Paris"}, True, None),
    ({"city": "Paris"}, {"city": "Rome"}, False, None),
    ({"city": {"one_of": ["NYC", "New York"]}}, {"city": "New York"}, True, None),
    ({"city": {"one_of": ["NYC", "New York"]}}, {"city": "Boston"}, False, None),
    # Texts are exact unless something else is asked for.
    ({"city": "Paris"}, {"city": "paris"}, False, True),
    ({"city": {"equals": "New York", "text": "loose"}}, {"city": "new-york"}, True, None),
    # A sign and a point are part of a number, however loosely texts are read.
    ({"city": {"equals": "5", "text": "loose"}}, {"city": "-5"}, False, True),
    ({"city": {"equals": "15", "text": "loose"}}, {"city": "1.5"}, False, True),
    # Types: an integer is a number, true is none, a text is none.
    ({"city": "a", "guests": 2}, {"city": "a", "guests": 2}, True, None),
    ({"city": "a", "guests": 2}, {"city": "a", "guests": "2"}, False, None),
    ({"city": "a", "guests": 1}, {"city": "a", "guests": True}, False, None),
    ({"city": "a", "budget": 50}, {"city": "a", "budget": 50.0}, True, None),
    ({"city": "a", "budget": 50.0}, {"city": "a", "budget": 50}, True, None),
    ({"city": "a", "guests": 2}, {"city": "a", "guests": 2.0}, True, False),
    ({"city": "a", "prices": [1.0, 2.5]}, {"city": "a", "prices": [1, 2.5]}, True, False),
    (
        {"city": "a", "contact": {"age": 1}},
        {"city": "a", "contact": {"age": True}},
        False,
        True,
    ),
    (
        {"city": "a", "budget": {"equals": 50, "tolerance": 1}},
        {"city": "a", "budget": 50.9},
        True,
        False,
    ),
    (
        {"city": "a", "budget": {"equals": 50, "tolerance": 1}},
        {"city": "a", "budget": 51.1},
        False,
        None,
    ),
    ({"city": "a", "guests": {"min": 2, "max": 4}}, {"city": "a", "guests": 3}, True, None),
    ({"city": "a", "guests": {"min": 2, "max": 4}}, {"city": "a", "guests": 5}, False, None),
    ({"city": {"regex": "^P"}}, {"city": "Paris"}, True, None),
    ({"city": {"regex": "^P"}}, {"city": "Rome"}, False, None),
    ({"city": {"type": "string"}}, {"city": "anything"}, True, None),
    # Lists keep their order, unless it is free.
    ({"city": "a", "tags": ["x", "y"]}, {"city": "a", "tags": ["x", "y"]}, True, None),
    ({"city": "a", "tags": ["x", "y"]}, {"city": "a", "tags": ["y", "x"]}, False, None),
    (
        {"city": "a", "tags": {"equals": ["x", "y"], "order": "free"}},
        {"city": "a", "tags": ["y", "x"]},
        True,
        None,
    ),
    (
        {"city": "a", "tags": {"equals": ["x", "x"], "order": "free"}},
        {"city": "a", "tags": ["x", "y"]},
        False,
        None,
    ),
    # Objects, with conditions inside them.
    (
        {"city": "a", "contact": {"name": {"one_of": ["Lina", "L."]}, "age": {"optional": True}}},
        {"city": "a", "contact": {"name": "L."}},
        True,
        None,
    ),
    (
        {"city": "a", "contact": {"name": "Lina"}},
        {"city": "a", "contact": {"name": "Tom"}},
        False,
        None,
    ),
    # What may be left out, and what must be there.
    ({"city": "a", "guests": {"equals": 2, "optional": True}}, {"city": "a"}, True, None),
    (
        {"city": "a", "guests": {"equals": 2, "optional": True}},
        {"city": "a", "guests": 3},
        False,
        None,
    ),
    ({"city": "a", "guests": 2}, {"city": "a"}, False, None),
    ({"city": "a"}, {"city": "a", "guests": 2}, False, None),
    # An empty list is not the same as none.
    (
        {"city": "a", "tags": {"equals": ["x"], "optional": True}},
        {"city": "a", "tags": []},
        False,
        True,
    ),
    # A default of the schema, said in words, changes nothing.
    ({"city": "a"}, {"city": "a", "outdoor": False}, True, False),
    ({"city": "a"}, {"city": "a", "outdoor": True}, False, None),
]


@pytest.mark.parametrize(("expected", "given", "passes", "bfcl"), VALUES)
def test_arguments(
    expected: dict[str, Any], given: dict[str, Any], passes: bool, bfcl: bool | None
) -> None:
    finding = say({"tool_call": {"name": "book", "arguments": expected}}, book(**given))

    assert finding.passed is passes, finding.reason
    assert bfcl is None or bfcl is not passes  # the table lists differences alone


PARIS, ROME = book(city="Paris"), book(city="Rome")
WANTED = [
    {"name": "book", "arguments": {"city": "Paris"}},
    {"name": "book", "arguments": {"city": "Rome"}},
]
CALLS: list[tuple[Any, list[ToolCall], bool, str]] = [
    ({"tool_call": "book"}, [], False, "no tool is called"),
    ({"tool_call": "book"}, [PARIS], True, "calls book"),
    ({"tool_call": "book"}, [NOW], False, "book wanted, it calls get_time()"),
    ({"tool_call": "book"}, [PARIS, NOW], False, "beside book stands get_time()"),
    ({"tool_call": {"name": "book", "others": True}}, [NOW, PARIS], True, "calls book"),
    ({"tool_call": "book"}, [ToolCall("book", '{"city": ')], False, "a malformed call"),
    ({"tool_call": "book"}, [book()], False, "required"),
    ({"tool_call": "book"}, [book(city="a", size=3)], False, "'size' is not known"),
    ({"tool_call": "book"}, [book(city=3)], False, "string wanted"),
    ({"tool_call": {"name": "book", "valid": False}}, [book(city=3)], True, "calls book"),
    ({"tool_call": "cook"}, [ToolCall("cook", {})], False, "cook is not declared"),
    ({"tool_calls": {"exactly": WANTED}}, [PARIS, ROME], True, "calls"),
    ({"tool_calls": {"exactly": WANTED}}, [ROME, PARIS], True, "calls"),
    ({"tool_calls": WANTED}, [ROME, PARIS], True, "calls"),
    ({"tool_calls": {"exactly": WANTED, "order": "kept"}}, [ROME, PARIS], False, "missing"),
    ({"tool_calls": {"exactly": WANTED}}, [PARIS], False, "call 2 of 2 is missing"),
    ({"tool_calls": {"exactly": WANTED}}, [PARIS, PARIS], False, "call 2 of 2 is missing"),
    ({"tool_calls": {"exactly": WANTED}}, [PARIS, ROME, NOW], False, "not wanted: get_time()"),
    ({"tool_calls": {"exactly": WANTED}}, [PARIS, ROME, ToolCall("", "{")], False, "not wanted"),
    ({"tool_calls": {"includes": WANTED}}, [PARIS, NOW, ROME], True, "calls"),
    (
        {"tool_calls": {"includes": WANTED, "order": "kept"}},
        [PARIS, NOW, ROME],
        True,
        "calls",
    ),
    (
        {"tool_calls": {"includes": WANTED, "order": "kept"}},
        [ROME, NOW, PARIS],
        False,
        "missing",
    ),
    ("no_tool_call", [], True, "no tool is called"),
    ("no_tool_call", [NOW], False, "calls get_time()"),
    ("no_tool_call", [ToolCall("", "{")], False, "a malformed call"),  # BFCL: passes
    ({"no_tool_call": "book"}, [NOW], True, "no call of book"),
    ({"no_tool_call": "book"}, [NOW, PARIS], False, "calls book"),
    ("tool_schema", [PARIS, NOW], True, "calls"),
    ("tool_schema", [], False, "no tool is called"),
    ("tool_schema", [ToolCall("cook", {})], False, "not declared"),
    ("tool_schema", [book(city="a", guests=True)], False, "integer wanted"),
]


@pytest.mark.parametrize(("check", "calls", "passes", "reason"), CALLS)
def test_calls(check: Any, calls: list[ToolCall], passes: bool, reason: str) -> None:
    finding = say(check, *calls)

    assert finding.passed is passes, finding.reason
    assert reason in finding.reason


def test_the_verdict_does_not_depend_on_the_order_of_calls() -> None:
    """The first call fits both, the second only one: a greedy match would lose one of them."""
    wanted = [{"name": "book"}, *WANTED]
    for calls in permutations([PARIS, ROME, book(city="Oslo")]):
        assert say({"tool_calls": wanted}, *calls).passed is True
    for calls in permutations([PARIS, PARIS, book(city="Oslo")]):
        assert say({"tool_calls": wanted}, *calls).score == pytest.approx(2 / 3)


def test_a_matching_is_as_large_as_can_be() -> None:
    assert matching([[0, 1], [0], [1, 2]]) == [1, 0, 2]
    assert [at is None for at in matching([[0], [0], [0]])].count(True) == 2
    chain = [[row, row + 1] for row in range(200)]
    assert None not in matching([*chain, [0]])


WRONG: list[tuple[Any, str]] = [
    ({"tool_calls": []}, "at least one call"),
    ({"tool_calls": {"order": "free"}}, "one of exactly and includes"),
    ({"tool_call": {"name": "book", "arguments": {"a": {"one_of": 3}}}}, "one_of is a list"),
    ({"tool_call": {"name": "book", "arguments": {"a": {"type": "int"}}}}, "none of object"),
    ({"tool_call": {"name": "book", "arguments": {"a": {"min": "x"}}}}, "min is a number"),
    ({"tool_call": {"name": "book", "arguments": {"a": {"regex": "("}}}}, "does not compile"),
    (
        {"tool_call": {"name": "book", "arguments": {"a": {"one_of": [1], "optionl": True}}}},
        "did you mean 'optional'",
    ),
]


@pytest.mark.parametrize(("check", "message"), WRONG)
def test_a_check_that_could_not_be_judged_is_refused(check: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse_check(check)


NO_TOOLS: list[tuple[Any, str]] = [
    ("get_weather", "a tool is a mapping"),
    ({"type": "code_interpreter", "function": {}}, "is not known"),
    ({"name": ""}, "a tool has a name"),
    ({"name": "f", "paramters": {}}, "did you mean 'parameters'"),
    ({"name": "f", "parameters": {"type": "dict", "properties": {}}}, "write object"),
    ({"name": "f", "parameters": {"type": "string"}}, "arguments are an object"),
    ({"name": "f", "parameters": []}, "JSON Schema of an object is wanted"),
    ({"name": "f", "parameters": {"city": {"type": "string"}}}, "neither type nor properties"),
    (
        {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "float"}}}},
        "write number",
    ),
    (
        {"name": "f", "parameters": {"type": "object", "required": "x"}},
        "array wanted",
    ),
    (
        {"name": "f", "parameters": {"type": "object", "properties": {"x": {"$ref": "#/$defs/y"}}}},
        "leads nowhere",
    ),
]


@pytest.mark.parametrize(("raw", "message"), NO_TOOLS)
def test_what_is_no_tool_is_refused(raw: Any, message: str) -> None:
    with pytest.raises(ToolProblemError, match=message):
        declared_tool(raw)
