"""What a variant is asked in one trial: the case's turns, with the variant's overrides applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.chat import Message, Messages
from harness.runner.trial import Trial
from harness.sampling import Sampling
from harness.scorers.reasoning import DEFAULT_TAGS, Tag, strip_reasoning
from harness.suites.values import Case
from harness.variants import Variant

SEEDS = 2**63


def conversation(
    trial: Trial,
    answers: Sequence[str],
    haystacks: Mapping[str, str],
    tags: Sequence[Tag] = DEFAULT_TAGS,
) -> Messages:
    """The messages up to the user turn that `answers`, one per earlier turn, lead to.

    Earlier answers go in without their reasoning (in `tags`), as chat templates and servers expect.
    """
    messages = list(system_turn(trial.case, trial.variant))
    for turn, answer in zip(trial.case.turns, answers, strict=False):
        messages.append(Message("user", turn.user))
        messages.append(Message("assistant", strip_reasoning(answer, tags)))
    messages.append(Message("user", trial.case.turns[len(answers)].user))
    if trial.case.id in haystacks:
        first = next(i for i, message in enumerate(messages) if message.role == "user")
        messages[first] = Message("user", haystacks[trial.case.id])
    return tuple(messages)


def system_turn(case: Case, variant: Variant) -> Messages:
    """The system message, if there is one: the variant's own, else the case's."""
    text = case.system if variant.system is None else variant.system
    return () if text is None else (Message("system", text),)


def sampling_of(trial: Trial) -> Sampling:
    """How this trial is sampled: the suite's settings, the variant's overrides, its own seed."""
    sampling = trial.case.sampling.override(trial.variant.sampling)
    if not trial.repeat:
        return sampling
    return sampling.model_copy(update={"seed": (sampling.seed + trial.repeat) % SEEDS})
