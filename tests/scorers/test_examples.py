"""Every registered check keeps what its documentation promises."""

from __future__ import annotations

import json
import pickle

import pytest

from harness.common import canonical_json
from harness.scorers import Answer, Check, Context, Finding, Scorer, all_scorers, parse_check

_SCORERS = [
    pytest.param(scorer, id=scorer.name)
    for scorer in all_scorers()
    if scorer.example is None or not scorer.example.requires
]

# Their examples ask for absence or for an upper bound: nothing at all satisfies that.
_EMPTY_HOLDS = {"length", "no_markdown", "no_prompt_leak", "no_tool_call", "not", "words"}


def _check(scorer: Scorer) -> Check:
    assert scorer.example is not None, f"{scorer.name} has no example"
    return parse_check({scorer.name: scorer.example.args}, modules=scorer.example.modules)


def _say(scorer: Scorer, answer: Answer) -> Finding:
    assert scorer.example is not None
    return _check(scorer)(answer, scorer.example.context)


@pytest.mark.parametrize("scorer", _SCORERS)
def test_the_passing_answer_of_the_example_passes(scorer: Scorer) -> None:
    assert scorer.example is not None

    finding = _say(scorer, scorer.example.answers[0])

    assert finding.passed is True, finding.reason


@pytest.mark.parametrize("scorer", _SCORERS)
def test_the_failing_answer_of_the_example_fails(scorer: Scorer) -> None:
    assert scorer.example is not None

    finding = _say(scorer, scorer.example.answers[1])

    assert finding.passed is False, finding.reason


@pytest.mark.parametrize("scorer", _SCORERS)
def test_reasons_are_one_line_and_findings_are_json(scorer: Scorer) -> None:
    assert scorer.example is not None
    for answer in scorer.example.answers:
        finding = _say(scorer, answer)

        assert finding.reason
        assert "\n" not in finding.reason
        assert 0 <= finding.score <= 1
        canonical_json(dict(finding.detail))


@pytest.mark.parametrize("scorer", _SCORERS)
def test_an_empty_answer_passes_only_where_absence_was_asked_for(scorer: Scorer) -> None:
    assert scorer.example is not None
    for text in ("", " \n"):
        questions = _check(scorer).questions(Answer(text), scorer.example.context)
        if questions:
            continue  # another model judges the answer
        finding = _say(scorer, Answer(text, text))

        assert (finding.passed is True) == (scorer.name in _EMPTY_HOLDS), finding.reason


@pytest.mark.parametrize("scorer", _SCORERS)
def test_the_same_answer_always_scores_the_same(scorer: Scorer) -> None:
    assert scorer.example is not None

    assert _say(scorer, scorer.example.answers[0]) == _say(scorer, scorer.example.answers[0])


@pytest.mark.parametrize("scorer", _SCORERS)
def test_a_check_written_as_json_reads_back_the_same(scorer: Scorer) -> None:
    assert scorer.example is not None
    written = _check(scorer).as_json()

    again = parse_check(json.loads(canonical_json(written)), modules=scorer.example.modules)

    assert again.as_json() == written


@pytest.mark.parametrize("scorer", _SCORERS)
def test_a_check_travels_to_another_process(scorer: Scorer) -> None:
    assert scorer.example is not None
    check: Check = pickle.loads(pickle.dumps(_check(scorer)))

    finding = check(scorer.example.answers[0], scorer.example.context)

    assert finding.passed is True


@pytest.mark.parametrize("scorer", _SCORERS)
def test_the_docstring_begins_with_a_line_of_its_own(scorer: Scorer) -> None:
    assert scorer.summary.endswith((".", ":", ";"))
    assert scorer.version >= 1


@pytest.mark.parametrize("scorer", _SCORERS)
def test_unknown_arguments_are_refused(scorer: Scorer) -> None:
    with pytest.raises(ValueError, match="no_such_argument"):
        parse_check({scorer.name: {"no_such_argument": 1}})


def test_the_context_may_be_empty() -> None:
    assert parse_check({"contains": "a"})(Answer("a"), Context()).passed is True
