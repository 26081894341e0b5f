"""Every check comes to an end on any answer, and never breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.common import ANSWER_CHARS, ToolCall, canonical_json
from harness.scorers import Answer, Check, Context, all_scorers, parse_check

_MEGABYTE = 1_000_000
# On an idle core of 2024 the slowest takes two seconds for a megabyte.

UNITS = {
    "brackets": "[",
    "objects": '{"a":',
    "pairs": "[]",
    "digits": "9",
    "numbers": "1,2.3 4-",
    "surrogates": "\ud800",
    "nul": "\x00",
    "escapes": "\x1b[31m",
    "spaces": " ",
    "newlines": "\n",
    "marks": "\u0300\u0323",
    "letters": "a",
    "words": "ab ",
    "stars": "*",
    "fences": "```\n",
    "items": "- \n",
    "tags": "<a>",
    "quotes": '"',
    "han": "的",
    "thai": "ก",
    "points": "p.\n",
    "table": "|a|b|\n|-|-|\n",
    "emoji": "👩‍👩‍👧‍👦",
    "links": "http://a.b/c ",
    "phrases": "I am not ",
    "flags": "🇩🇪",
    "fractions": "½ ",
}
_HUGE = ("brackets", "digits", "surrogates", "nul", "escapes", "marks", "letters", "points")


def filled(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size] + "!"


def _checks() -> list[tuple[Check, Context]]:
    return [
        (parse_check({s.name: s.example.args}, modules=s.example.modules), s.example.context)
        for s in all_scorers()
        if s.example is not None and not s.example.requires
    ]


_CHECKS = [pytest.param(check, context, id=check.name) for check, context in _checks()]


def _stands(check: Check, context: Context, text: str) -> None:
    """Score the text; how long it takes is measured by `python -m bench.hostile_text`."""
    answer = Answer(text, text)
    replies = {q.key: "Rating: 5" for q in check.questions(answer, context)}
    finding = check(answer, replace(context, asked=replies))
    assert 0 <= finding.score <= 1
    assert len(finding.reason) < 2_000
    assert len(canonical_json(dict(finding.detail))) < 100_000


@pytest.mark.parametrize(("check", "context"), _CHECKS)
def test_hostile_text_of_fifty_kilobytes(check: Check, context: Context) -> None:
    for unit in UNITS.values():
        _stands(check, context, filled(unit, _MEGABYTE // 20))


@pytest.mark.slow
@pytest.mark.parametrize("name", _HUGE)
@pytest.mark.parametrize(("check", "context"), _CHECKS)
def test_hostile_text_of_a_megabyte(check: Check, context: Context, name: str) -> None:
    _stands(check, context, filled(UNITS[name], _MEGABYTE))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.text(
        st.one_of(
            st.sampled_from("[]{}\"'`*_#-|<>.,:;!?0123456789\\\n\t /&%$()~^=+"),
            st.characters(),
            st.sampled_from("\ud800\udfff\x00\x1b\ufeff\u200b\u0300的กぁ가ß"),
        ),
        max_size=200,
    )
)
def test_any_text(text: str) -> None:
    for check, context in _LIGHT:
        _stands(check, context, text)


_LIGHT = _checks()

_BOMB = "^(a|aa)+$"
_VICTIM = "a" * 5_000 + "!"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"regex": _BOMB}, _VICTIM),
        ({"json_value": {"path": "$", "regex": _BOMB}}, f'"{_VICTIM}"'),
        ({"json_schema": {"schema": {"pattern": _BOMB}}}, f'"{_VICTIM}"'),
        ({"json_schema": {"schema": {"patternProperties": {_BOMB: {}}}}}, f'{{"{_VICTIM}": 1}}'),
        ({"ifeval": {"id": "keywords:existence", "mode": "compat", "keywords": [_BOMB]}}, _VICTIM),
    ],
    ids=["regex", "json_value", "pattern", "patternProperties", "ifeval"],
)
def test_a_catastrophic_pattern_ends_as_cannot_tell(raw: Any, text: str) -> None:
    finding = parse_check(raw)(Answer(text), Context())

    assert finding.passed is None
    assert finding.reason.startswith("cannot tell: ")


def test_a_schema_with_many_ways_ends_as_cannot_tell() -> None:
    """Each level of the answer doubles the work: 2⁹⁰ steps without a limit."""
    inner = {"items": {"$ref": "#"}}
    schema = {"anyOf": [inner, inner, {"type": "string"}], "not": {"type": "number"}}
    text = "[" * 90 + "1" + "]" * 90

    finding = parse_check({"json_schema": {"schema": schema}})(Answer(text), Context())

    assert finding.passed is None


def test_an_answer_beyond_all_models_is_not_read() -> None:
    finding = parse_check({"contains": "a"})(Answer("a" * (ANSWER_CHARS + 1)), Context())

    assert finding.passed is None
    assert finding.reason == ("cannot tell: the answer has 4000001 characters, checks read 4000000")


@pytest.mark.parametrize("unit", ["½", "1 ", "1/2 ", "22 1/2 "])
def test_more_numbers_than_are_read_are_no_verdict(unit: str) -> None:
    finding = parse_check({"numeric": 1})(Answer(unit * 60_000), Context())

    assert (finding.passed, finding.reason) == (None, "cannot tell: more than 50,000 numbers")
    assert parse_check({"numeric": 1})(Answer("2 " * 40_000 + "1"), Context()).passed is True


def test_a_name_that_a_model_made_up_does_not_flood_a_reason() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    call = ToolCall("é" * 5_000, {})

    finding = parse_check("tool_schema")(Answer("", calls=(call,)), Context(tools=(tool,)))

    assert finding.reason == "é" * 1_900 + "..."
