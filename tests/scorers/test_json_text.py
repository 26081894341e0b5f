"""JSON read strictly and exactly."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scorers.json_text import Exact, NotJsonError, extract, kind, parse, same, written

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(_JSON)
def test_what_json_writes_is_read_back(value: Any) -> None:
    assert parse(json.dumps(value)) == value
    assert parse(json.dumps(value, ensure_ascii=False)) == value


@given(_JSON, st.text(alphabet="abc .\n"))
def test_an_object_in_prose_is_found(value: Any, prose: str) -> None:
    assert extract(f"{prose}\n```json\n{json.dumps(value)}\n```\n{prose}") == value
    assert extract(prose + json.dumps({"value": value}) + prose) == {"value": value}


@given(_JSON)
def test_equal_values_are_the_same(value: Any) -> None:
    assert same(parse(json.dumps(value)), value)


def test_numbers_keep_all_their_digits() -> None:
    assert parse("123456789012345678901234567890") == 123456789012345678901234567890
    assert parse("0.1234567890123456789012345678901") == Decimal(
        "0.1234567890123456789012345678901"
    )
    assert parse("1e999") == Decimal("1e999")
    assert len(str(parse("9" * 1_000_000))) == 1_000_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("\ufeff1", "it begins with a byte order mark"),
        ("NaN", "NaN is no JSON value"),
        ("[-Infinity]", "-Infinity is no JSON value"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice"),
        ("1 2", "text behind the value at line 1 column 3 ('2')"),
        ("[1,\n x]", "no JSON at line 2 column 2 ('x]')"),
        ("[", "no JSON at line 1 column 2 (the end)"),
        ("[1,]", "no JSON at line 1 column 3 (',]')"),
        ('{"a": 1,\n }', "no JSON at line 1 column 8 (',\\n }')"),
        ("1e9999999999999999999", "the number '1e9999999999999999999' is out of range"),
        ('"\ud800"', "lone surrogate \\ud800 at character 1"),
        ('["\\udfff"]', "lone surrogate \\udfff in a string"),
        ('{"\\ud800": 1}', "lone surrogate \\ud800 in a string"),
        ("[" * 101 + "]" * 101, "it nests deeper than 100 levels"),
        ("[" * 1_000_000, "it nests deeper than 100 levels"),
    ],
)
def test_what_is_not_json_is_told_why(text: str, why: str) -> None:
    with pytest.raises(NotJsonError) as caught:
        parse(text)

    assert str(caught.value) == why


def test_brackets_in_strings_do_not_nest() -> None:
    assert parse(json.dumps("[" * 500)) == "[" * 500
    assert parse("[" * 100 + "]" * 100) is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1} or {"a": 2}', "ambiguous: it has several JSON values"),
        ("```\n1\n```\n```\n2\n```", "ambiguous: it has 2 code blocks"),
        ("```json\n{'a': 1}\n```", "in its code block: no JSON at line 1 column 2 (\"'a': 1}\")"),
        ("none", "no JSON at line 1 column 1 ('none')"),
    ],
)
def test_what_cannot_be_extracted_is_told_why(text: str, why: str) -> None:
    with pytest.raises(NotJsonError) as caught:
        extract(text)

    assert str(caught.value) == why


def test_kinds_and_shown_values() -> None:
    values: list[Exact] = [None, True, 1, Decimal("1.5"), "a", [1], {"a": 1}]

    assert [kind(v) for v in values] == [
        "null",
        "boolean",
        "number",
        "number",
        "string",
        "array",
        "object",
    ]
    assert [written(v) for v in values] == [
        "null",
        "true",
        "1",
        "1.5",
        '"a"',
        "[1]",
        '{"a": 1}',
    ]
    assert written("a" * 100) == '"' + "a" * 59 + "..."
    assert written([1] * 100, 10) == "[1, 1, 1, ..."
