"""One case on one variant, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.backends import Backend, Completion
from harness.common import Message, Messages, Sampling, Variant
from harness.evaluation.steps import Step, answered, steps_of
from harness.results import Outcome
from harness.scorers import DEFAULT_TAGS, Check, Tag, strip_reasoning
from harness.suites import Case

Fault = tuple[Outcome, str]  # why there is no score: error or skipped, and the reason


@dataclass(frozen=True, slots=True)
class Trial:
    """What becomes one result. `position` is its place in the run's results."""

    case: Case
    variant: Variant
    repeat: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class Skip:
    """A trial whose outcome is known before anything is asked."""

    trial: Trial
    fault: Fault


def misfit(trial: Trial, reason: str) -> Fault:
    """Return that it is skipped, or an error where the case is required."""
    return (Outcome.ERROR if trial.case.required else Outcome.SKIPPED), reason


def no_room(prompt: int, answer: int, room: int, turn: int = 0) -> str:
    """Say why it cannot be asked; all sizes in tokens."""
    which = f"turn {turn + 1} does" if turn else "does"
    needed = f"{prompt} tokens of prompt + {answer} for the answer"
    return f"{which} not fit the context: {needed} > {room}"


SEEDS = 2**63


def messages_of(
    trial: Trial,
    answers: Sequence[str],
    haystacks: Mapping[str, str],
    tags: Sequence[Tag] = DEFAULT_TAGS,
) -> Messages:
    """Return the messages up to the user turn that `answers`, one per earlier turn, lead to.

    Earlier answers go in without their reasoning (in `tags`), as chat templates and servers expect.
    """
    completions = [Completion(answer, "stop") for answer in answers]
    steps = tuple(steps_of(trial.case, completions, tags))
    return messages_after(trial, steps, haystacks, tags)


def messages_after(
    trial: Trial,
    steps: Sequence[Step],
    haystacks: Mapping[str, str],
    tags: Sequence[Tag] = DEFAULT_TAGS,
    *,
    pass_on: bool = False,
) -> Messages:
    """Return the messages that lead to the answer after these; of a trial that is over, the last's.

    Calls of tools stand in them, with what they give back. `pass_on`: so does the reasoning of
    earlier answers, beside their text.
    """
    case, variant = trial.case, trial.variant
    last = len(case.turns) - 1
    messages: list[Message] = []

    def ask(number: int) -> None:
        turn = case.turns[number]
        user = haystacks.get(case.id, turn.user) if number == 0 else turn.user
        messages.extend((*turn.before, Message("user", user), *turn.calls))

    ask(0)
    asked, number = 0, 0  # the turn that is asked, and its step
    for step in steps:
        if not step.goes_on and step.turn == last:
            asked, number = step.turn, step.number
            break  # it was the last
        if step.reading.is_called:
            said, *returned = answered(step, case.turns[step.turn], case)
        else:  # a malformed call stays as it was written
            malformed = bool(step.reading.calls)
            whole = strip_reasoning(step.completion.text, tags) if malformed else step.reading.text
            said, returned = Message("assistant", whole), []
        if pass_on:
            said = replace(said, reasoning=step.reading.reasoning)
        messages += [said, *returned]
        asked, number = step.turn, step.number + 1
        if not step.goes_on:
            asked, number = step.turn + 1, 0
            ask(asked)
    if number == 0 and (prefix := case.turns[asked].prefix):
        messages.append(Message("assistant", prefix))
    system = system_text(case, variant)
    if system is not None and system_role(case, variant) == "merge":
        at = next(at for at, message in enumerate(messages) if message.role == "user")
        merged = f"{system}\n\n{messages[at].content}" if system else messages[at].content
        messages[at] = replace(messages[at], content=merged)
    elif system is not None:
        messages.insert(0, Message("system", system))
    return tuple(messages)


def system_text(case: Case, variant: Variant) -> str | None:
    """Return the system prompt, if there is one: the variant's own, else the case's."""
    return case.system if variant.system is None else variant.system


def system_role(case: Case, variant: Variant) -> str:
    """Return whether it is a turn of its own, `native`, or stands in the user's, `merge`."""
    return variant.system_role or case.system_role


def sampling_of(trial: Trial) -> Sampling:
    """Return the suite's sampling with the variant's overrides and a seed for this repeat."""
    sampling = trial.case.sampling.override(trial.variant.sampling)
    if not trial.repeat:
        return sampling
    return sampling.model_copy(update={"seed": (sampling.seed + trial.repeat) % SEEDS})


_OBJECT: Mapping[str, Any] = {"type": "object"}
_ANY_JSON = ("json", "json_value")


def is_constrained(case: Case) -> bool:
    """Return whether any of its answers is decoded under a schema, by an engine that can."""
    return any(schema_of(case, turn) is not None for turn in range(len(case.turns)))


def schema_of(case: Case, turn: int) -> Mapping[str, Any] | bool | None:
    """Return the schema for the answer to one turn, or None where it is decoded freely."""
    if case.decoding != "constrained":
        return None
    checks = case.turns[turn].checks
    own = next((_schema(check) for check in checks if check.name == "json_schema"), None)
    if own is not None:
        return own
    return _OBJECT if any(check.name in _ANY_JSON for check in checks) else None


def constraint_notes(trials: Iterable[Trial], backend: Backend) -> tuple[str, ...]:
    """Say what becomes of `decoding: constrained` where it cannot be done."""
    asked = {trial.case.id: trial.case for trial in trials if trial.case.decoding == "constrained"}
    if not asked:
        return ()
    if not backend.constrains_json:
        cases = f"{len(asked)} case{'s' if len(asked) > 1 else ''}"
        return (f"decoding: constrained is not possible with {backend.name}: {cases} decoded free",)
    free = [name for name, case in asked.items() if not is_constrained(case)]
    return tuple(f"{name}: decoded free, it has no JSON check to constrain it" for name in free)


def _schema(check: Check) -> Mapping[str, Any] | bool | None:
    found = check.as_json()[check.name]
    schema = found.get("schema") if isinstance(found, Mapping) else None
    return schema if isinstance(schema, Mapping | bool) else None
