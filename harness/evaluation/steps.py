"""The answers to one user turn, step by step: calls of tools, what they give back, the last answer.

What a call gives back is scripted in the suite, so that a conversation is the same every time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.backends import PLAIN, Backend, Completion, Prompt, Rendering
from harness.common import InputError, Message, Messages, Problem, ToolCall, Variant
from harness.prompts import ANY, call_family, parse_calls
from harness.scorers import DEFAULT_TAGS, Tag, fits_arguments, strip_reasoning, tool_name
from harness.suites import Case, Turn

MOST_STEPS = 8  # answers to one user turn; a model that calls on and on is ended there


@dataclass(frozen=True, slots=True)
class AnswerReading:
    """An answer without its reasoning: what it says, and the calls of tools in it."""

    text: str
    calls: tuple[ToolCall, ...] = ()

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
    """
    raw = completion.text
    if not case.tools:
        return AnswerReading(strip_reasoning(raw, tags))
    # gpt-oss calls tools in a channel that is taken for reasoning.
    text = raw if family == "harmony" else strip_reasoning(raw, tags)
    parsed = parse_calls(family or ANY, text, case.tools)
    calls = completion.tool_calls or parsed.calls
    if calls and not completion.tool_calls and not family:
        calls = (ToolCall("", text),)
    said = parsed.text
    return AnswerReading(strip_reasoning(said, tags) if family == "harmony" else said, calls)


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
        assert isinstance(call.arguments, Mapping)
        returns = next(
            (
                result.returns
                for result in turn.results
                if result.tool == call.name
                and (result.arguments is None or fits_arguments(result.arguments, call.arguments))
            ),
            None,
        )
        if returns is None:
            unknown = f"there is no tool {call.name}"
            reason = "no result for these arguments" if call.name in declared else unknown
            returns = json.dumps({"error": reason})
        results.append(Message("tool", returns, tool_call_id=call.id, name=call.name))
    return (Message("assistant", step.reading.text, tool_calls=named), *results)


def rendering_of(case: Case) -> Rendering:
    """Return what becomes a prompt of this case besides its messages."""
    return Rendering(tools=case.tools) if case.tools else PLAIN


def prompt_of(backend: Backend, messages: Messages, variant: Variant, case: Case) -> Prompt:
    """Return the prompt; a case without tools asks backends written before there were any."""
    rendering = rendering_of(case)
    told = () if rendering == PLAIN else (rendering,)
    return backend.prompt(messages, variant, *told)


def families_of(
    chosen: str | None, variants: Iterable[Variant], backend: Backend, cases: Iterable[Case]
) -> dict[str, str]:
    """Return the form in which each variant's answers may write calls, by the variant's name.

    It is the one that is `chosen` in the configuration, else the one that the chat template shows;
    empty for a server that renders prompts itself, as it reads calls as well. Recorded answers are
    read in every form that has marks. Nothing is returned where no case declares tools. Raises
    `InputError` where the template is of no known family, or ignores tools.
    """
    case = next((case for case in cases if case.tools), None)
    if case is None:
        return {}
    found = {}
    for variant in variants:
        probe = (Message("user", case.turns[0].user),)
        prompt_of(backend, probe, variant, case)  # a template that ignores tools is told
        template = backend.chat_template(variant)
        family = chosen
        if family is None and template is not None:
            family = call_family(template)
            if not family:
                place = case.position
                raise InputError(
                    Problem(
                        f"nobody knows how {variant.model} writes calls of tools: its chat "
                        "template is of no known family",
                        place.path,
                        place.line,
                        place.column,
                        case=case.id,
                        hint="name the form: --tool-parser, or tool_parser in the configuration",
                    )
                )
        if family is None:
            family = ANY if backend.environment(variant).addressed else ""
        found[variant.name] = family
    return found


def family_notes(families: Mapping[str, str]) -> tuple[str, ...]:
    """Say, for the scorecard, how calls of tools are read."""
    names: dict[str, list[str]] = {}
    for variant, family in families.items():
        names.setdefault(family, []).append(variant)
    return tuple(
        f"calls of tools are read {f'as {family}' if family else 'by the server'}: "
        f"{', '.join(variants)}"
        for family, variants in names.items()
    )
