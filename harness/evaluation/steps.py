"""The answers to one user turn, step by step: calls of tools, what they give back, the last answer.

What a call gives back is scripted in the suite, so that a conversation is the same every time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.backends import Completion
from harness.common import Message, Messages, ToolCall
from harness.prompts import ANY, parse_calls
from harness.scorers import (
    DEFAULT_TAGS,
    Tag,
    split_reasoning,
    strip_reasoning,
    tool_name,
)
from harness.suites import MOST_STEPS, Case, Turn, matching


@dataclass(frozen=True, slots=True)
class AnswerReading:
    """An answer in its parts: what it says, the calls of tools in it, and the reasoning before.

    `ended` is False where it reasoned and came to no end; then it says nothing. `reasoning_tokens`
    are in proportion to the characters where nobody counted them.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    ended: bool = True
    reasoning_tokens: int = 0

    @property
    def is_called(self) -> bool:
        """Return whether tools can answer it: there are calls, and none is malformed."""
        return bool(self.calls) and not any(call.malformed for call in self.calls)


def read_answer(
    case: Case, completion: Completion, tags: Sequence[Tag] = DEFAULT_TAGS, family: str = ""
) -> AnswerReading:
    """Read one answer; `family` says in which form it may write calls.

    Calls that a server read, or that were recorded, are taken as they are. An empty family stands
    for a server that reads calls: a text that still has the marks of one is a malformed call.
    Reasoning that a server gave apart is taken as it is; with nothing beside it, nobody knows where
    it would have ended.
    """
    raw = completion.text
    split = split_reasoning(raw, tags)
    said, calls = split.text, completion.tool_calls
    if case.tools:
        # gpt-oss calls tools in a channel that is taken for reasoning.
        text = raw if family == "harmony" else said
        parsed = parse_calls(family or ANY, text, case.tools)
        said = strip_reasoning(parsed.text, tags) if family == "harmony" else parsed.text
        if parsed.calls and not calls:
            calls = parsed.calls if family else (ToolCall("", text),)
    reasoning = completion.reasoning or split.reasoning
    apart = bool(completion.reasoning) and not split.reasoning
    never = not split.ended or (apart and not said.strip())
    tokens = completion.reasoning_tokens
    if tokens is None:
        whole = len(raw) + len(completion.reasoning)
        tokens = round(completion.completion_tokens * len(reasoning) / whole) if reasoning else 0
    return AnswerReading(said, calls, reasoning, not never or bool(calls), tokens)


@dataclass(frozen=True, slots=True)
class Step:
    """One answer and its place. `goes_on`: its calls are answered, and the turn has a next step."""

    turn: int
    number: int
    completion: Completion
    reading: AnswerReading
    goes_on: bool


def steps_of(
    case: Case,
    completions: Iterable[Completion],
    tags: Sequence[Tag] = DEFAULT_TAGS,
    family: str = "",
) -> Iterator[Step]:
    """Yield the answers of a trial with the user turn that each belongs to."""
    turn = number = 0
    for completion in completions:
        if turn == len(case.turns):
            return  # recorded for another script
        reading = read_answer(case, completion, tags, family)
        goes_on = reading.is_called and bool(case.turns[turn].results) and number + 1 < MOST_STEPS
        yield Step(turn, number, completion, reading, goes_on)
        turn, number = (turn, number + 1) if goes_on else (turn + 1, 0)


def next_place(steps: Sequence[Step]) -> tuple[int, int]:
    """Return the user turn and the step that come after these."""
    if not steps:
        return 0, 0
    last = steps[-1]
    return (last.turn, last.number + 1) if last.goes_on else (last.turn + 1, 0)


def answered(step: Step, turn: Turn, case: Case) -> Messages:
    """Return the calls of an answer as the conversation goes on with them, and what they give."""
    # Nine letters and digits: templates of Mistral take no other ids.
    named = tuple(
        call if call.id else replace(call, id=f"call{step.turn % 10}{step.number % 10}{at:03d}")
        for at, call in enumerate(step.reading.calls)
    )
    declared = {tool_name(tool) for tool in case.tools}
    results = []
    for call in named:
        returns = matching(turn.results, call)
        if returns is None:
            unknown = f"there is no tool {call.name}"
            reason = "no result for these arguments" if call.name in declared else unknown
            returns = json.dumps({"error": reason})
        results.append(Message("tool", returns, tool_call_id=call.id, name=call.name))
    return (Message("assistant", step.reading.text, tool_calls=named), *results)


def asked_at(case: Case, steps: Sequence[Step]) -> list[int]:
    """Return how many messages lead to each of these answers, the system's not counted.

    The beginning of an answer that a model goes on with is a part of the answer.
    """
    found, count = [], 0
    for step in steps:
        if step.number == 0:
            turn = case.turns[step.turn]
            count += len(turn.before) + 1 + len(turn.calls)
        found.append(count)
        count += 1 + (len(step.reading.calls) if step.reading.is_called else 0)
    return found
