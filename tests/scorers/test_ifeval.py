"""IFEval: all 25 instructions, their arguments, strict and loose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.scorers import Answer, Check, Context, parse_check
from harness.scorers.ifeval import INSTRUCTIONS

_ARGS: dict[str, dict[str, Any]] = {
    "keywords:existence": {"keywords": ["art"]},
    "keywords:frequency": {"keyword": "art", "frequency": 2, "relation": "less than"},
    "keywords:forbidden_words": {"forbidden_words": ["art"]},
    "keywords:letter_frequency": {"letter": "a", "let_frequency": 3, "let_relation": "at least"},
    "language:response_language": {"language": "de"},
    "length_constraints:number_sentences": {"num_sentences": 2, "relation": "at least"},
    "length_constraints:number_paragraphs": {"num_paragraphs": 2},
    "length_constraints:number_words": {"num_words": 2, "relation": "less than"},
    "length_constraints:nth_paragraph_first_word": {
        "num_paragraphs": 2,
        "nth_paragraph": 1,
        "first_word": "a",
    },
    "detectable_content:number_placeholders": {"num_placeholders": 1},
    "detectable_content:postscript": {"postscript_marker": "P.S."},
    "detectable_format:number_bullet_lists": {"num_bullets": 1},
    "detectable_format:number_highlighted_sections": {"num_highlights": 1},
    "detectable_format:multiple_sections": {"section_spliter": "Section", "num_sections": 1},
    "combination:repeat_prompt": {"prompt_to_repeat": "a"},
    "startend:end_checker": {"end_phrase": "a"},
    "change_case:capital_word_frequency": {"capital_frequency": 1, "capital_relation": "at least"},
}


def _check(name: str, **more: Any) -> Check:
    return parse_check({"ifeval": {"id": name, **_ARGS.get(name, {}), **more}})


def test_there_are_25_instructions() -> None:
    assert len(INSTRUCTIONS) == 25
    assert set(_ARGS) <= set(INSTRUCTIONS)


_BOTH = {
    name: [_check(name, mode=mode) for mode in ("fixed", "compat")] for name in sorted(INSTRUCTIONS)
}
_TEXT = st.text(st.sampled_from('ab Art.!?*#-[]<>"\n,，S1é战{}`'), max_size=60)


@pytest.mark.parametrize("name", sorted(INSTRUCTIONS))
@settings(max_examples=30, deadline=None)
@given(text=_TEXT)
def test_whatever_is_followed_strictly_is_followed_loosely(name: str, text: str) -> None:
    """A checker that was rebuilt with other arguments once gave loose below strict."""
    for check in _BOTH[name]:
        detail = check(Answer(text), Context()).detail
        assert detail["loose"] is True or detail["strict"] is not True


@pytest.mark.parametrize("name", sorted(INSTRUCTIONS))
def test_an_empty_answer_follows_no_instruction(name: str) -> None:
    """Of another harness 18 of 29 instructions passed for any text."""
    for mode in ("fixed", "compat"):
        for text in ("", " \n "):
            assert _check(name, mode=mode, loose=True)(Answer(text), Context()).passed is False


@pytest.mark.parametrize("name", sorted(INSTRUCTIONS))
def test_no_instruction_takes_the_arguments_of_another(name: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        _check(name, no_such_argument=1)


@pytest.mark.parametrize("name", sorted(_ARGS))
def test_arguments_are_mandatory_and_zero_is_a_number(name: str) -> None:
    """lm-eval drops 0 and puts a random number in its place."""
    for key, value in _ARGS[name].items():
        rest = {k: v for k, v in _ARGS[name].items() if k != key}
        with pytest.raises(ValidationError, match="Field required"):
            parse_check({"ifeval": {"id": name, **rest}})
        if isinstance(value, int) and key not in ("num_paragraphs", "nth_paragraph"):
            assert parse_check({"ifeval": {"id": name, **rest, key: 0}})


def test_nulls_of_the_public_data_count_as_left_out() -> None:
    check = _check("punctuation:no_comma", keywords=None, num_words=None)

    assert check.as_json() == {"ifeval": {"id": "punctuation:no_comma"}}


@pytest.mark.parametrize("name", ["punctuation:no_commas", "no_comma"])
def test_an_unknown_instruction_is_an_error(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _check(name)

    assert caught.value.errors()[0]["msg"] == (
        f"instruction '{name}' is not known, did you mean 'punctuation:no_comma'?"
    )


def test_an_instruction_like_no_other_is_answered_with_all() -> None:
    with pytest.raises(ValidationError) as caught:
        _check("xyz")

    assert caught.value.errors()[0]["msg"] == (
        f"instruction 'xyz' is not known (known: {', '.join(sorted(INSTRUCTIONS))})"
    )


def test_detail_has_both_and_loose_decides_where_it_is_asked_for() -> None:
    text = "Sure, here it is:\nNo pause."

    strict = _check("punctuation:no_comma")(Answer(text), Context())
    loose = _check("punctuation:no_comma", loose=True)(Answer(text), Context())

    assert (strict.passed, loose.passed) == (False, True)
    assert strict.detail == loose.detail
    assert strict.detail == {
        "id": "punctuation:no_comma",
        "mode": "fixed",
        "strict": False,
        "loose": True,
    }
    assert strict.reason == "not without comma: 'Sure, here it i'"
