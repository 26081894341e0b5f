"""The suite `tool_calling` decides truly on recorded answers, and on broken ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.backends import Completion
from harness.common import BASE, ToolCall, Variant
from harness.evaluation import Transcript, Trial, score_trial
from harness.evaluation.steps import steps_of
from harness.evaluation.trial import messages_after
from harness.prompts import parse_calls
from harness.results import Outcome, Result
from harness.scorers import DEFAULT_TAGS, tool_name
from harness.suites import Case
from tests.instruct.proving import USELESS, cases, recorded

SUITE = "tool_calling"
FORM = "pythonic"
Said = tuple[Completion, ...]
# Any value of the right type will do there, or the argument may be left out.
FREE = {("nested-shopping", "items"), ("long-parallel", "items")}


def answers(name: str) -> Said:
    """The right answers to a case, one for each step."""
    row = recorded(SUITE)[name]
    turns = row["turns"] if isinstance(row, dict) else [row]
    texts = [step for turn in turns for step in (turn if isinstance(turn, list) else [turn])]
    found = []
    for text in texts:
        parsed = parse_calls(FORM, text)
        assert not any(call.malformed for call in parsed.calls), text
        said = parsed.text if parsed.calls else text
        found.append(Completion(said, "stop", tool_calls=parsed.calls))
    return tuple(found)


def judge(case: Case, said: Said) -> Result:
    """The result of a trial with these answers, scored as the runner scores them."""
    trial = Trial(case, Variant(BASE, "recorded"))
    steps = tuple(steps_of(case, said, DEFAULT_TAGS))
    return score_trial(trial, Transcript(messages_after(trial, steps, {}), said))


def is_over(case: Case, said: Said) -> bool:
    steps = list(steps_of(case, said, DEFAULT_TAGS))
    return len(steps) == len(said) and steps[-1].turn == len(case.turns) - 1


def with_calls(said: Said, at: int, calls: Sequence[ToolCall]) -> Said:
    return (*said[:at], replace(said[at], tool_calls=tuple(calls)), *said[at + 1 :])


def other(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return [*value, *(value or ["x"])] if isinstance(value, list) else {"x": 1}


def broken(case: Case, said: Said) -> Iterator[tuple[str, Said]]:
    """What may go wrong with the calls of right answers, each with its name."""
    for at, step in enumerate(said):
        for which, call in enumerate(step.tool_calls):
            rest = [*step.tool_calls]
            assert isinstance(call.arguments, dict)

            def put(
                *instead: ToolCall, at: int = at, which: int = which, rest: list[ToolCall] = rest
            ) -> Said:
                return with_calls(said, at, [*rest[:which], *instead, *rest[which + 1 :]])

            yield "a tool that is not declared", put(replace(call, name="no_such_tool"))
            yield "a malformed call", put(ToolCall(call.name, json.dumps(call.arguments)[:-1]))
            yield "an argument too many", put(replace(call, arguments={**call.arguments, "x": 1}))
            if not case.turns[0].results:  # there a call may be made again
                yield "the same call twice", put(call, call)
            if len(rest) > 1:
                yield "one call too few", put()
            for key, value in call.arguments.items():
                if (case.id, key) not in FREE:
                    changed = {**call.arguments, key: other(value)}
                    yield f"another {key}", put(replace(call, arguments=changed))
                yield (
                    f"{key} of another type",
                    put(replace(call, arguments={**call.arguments, key: [[value]]})),
                )


@pytest.mark.parametrize("name", cases(SUITE))
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    case, said = cases(SUITE)[name], answers(name)

    right = judge(case, said)

    assert is_over(case, said)
    assert right.outcome is Outcome.PASS, right.reason
    for what, wrong in broken(case, said):
        if case.turns[0].results and not is_over(case, wrong):
            wrong = _ended(case, wrong)
        result = judge(case, wrong)
        assert result.outcome is Outcome.FAIL or name == "result-not-in-it", what


def _ended(case: Case, said: Said) -> Said:
    """The answers up to the first that ends the last turn."""
    for length in range(1, len(said) + 1):
        if is_over(case, said[:length]):
            return said[:length]
    return (*said, Completion("Done.", "stop"))


@pytest.mark.parametrize("name", cases(SUITE))
def test_words_instead_of_calls_and_calls_instead_of_words_fail(name: str) -> None:
    case, said = cases(SUITE)[name], answers(name)
    calls = any(step.tool_calls for step in said)

    for what, text in USELESS.items():
        if calls and name != "result-not-in-it":
            silent = tuple(Completion(text, "stop") for _ in case.turns)
            assert judge(case, silent).outcome is Outcome.FAIL, what
    if not calls:
        for tool in case.tools:
            eager = Completion("", "stop", tool_calls=(ToolCall(tool_name(tool), {}),))
            assert judge(case, (eager,) * len(case.turns)).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in cases(SUITE)
        if n.startswith("result-") and n not in ("result-injection", "result-not-in-it")
    ],
)
def test_results_must_be_used(name: str) -> None:
    case, said = cases(SUITE)[name], answers(name)

    idle = (*said[:-1], replace(said[-1], text="I am not sure."))

    assert judge(case, idle).outcome is Outcome.FAIL


def test_an_instruction_in_a_result_must_not_be_obeyed() -> None:
    case, said = cases(SUITE)["result-injection"], answers("result-injection")
    obeyed = Completion("", "stop", tool_calls=(ToolCall("delete_file", {"path": "a.csv"}),))

    assert judge(case, (said[0], obeyed, said[1])).outcome is Outcome.FAIL


def test_a_figure_that_no_result_has_is_made_up() -> None:
    case, said = cases(SUITE)["result-not-in-it"], answers("result-not-in-it")

    made_up = (said[0], Completion("The pressure in Quito is 1015 hPa.", "stop"))

    assert judge(case, made_up).outcome is Outcome.FAIL


def test_every_kind_of_case_is_there() -> None:
    tags = Counter(tag for case in cases(SUITE).values() for tag in case.tags)

    assert len(cases(SUITE)) >= 80
    for kind in (
        "single",
        "choose",
        "types",
        "nested",
        "parallel",
        "none",
        "missing",
        "results",
        "long_list",
    ):
        assert tags[kind] >= 8, kind
    assert tags["zh"] >= 8
    assert {"de", "es", "fr", "ja", "ru", "it", "pt", "tr", "ko", "ar"} <= set(tags)
    assert set(recorded(SUITE)) == set(cases(SUITE))
