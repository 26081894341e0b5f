"""What each method learns from: an answer, two of them, or one with its reward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.common import InputError, Message, Problem, as_dicts, digest
from harness.training.sft.config import TrainConfig
from harness.training.values import Pair, Rollout, TrainingRow

Lesson = TrainingRow | Pair | Rollout
KINDS: dict[str, type[Any]] = {"sft": TrainingRow, "dpo": Pair, "grpo": Rollout}
_NAMES = {TrainingRow: "rows", Pair: "pairs", Rollout: "answers with rewards"}


def conversations(lessons: Sequence[Lesson]) -> tuple[TrainingRow, ...]:
    """Return the conversations of all lessons; a pair gives two, the chosen one first."""
    found: list[TrainingRow] = []
    for lesson in lessons:
        if isinstance(lesson, TrainingRow):
            found.append(lesson)
            continue
        answers = (
            ((lesson.chosen, "chosen"), (lesson.rejected, "rejected"))
            if isinstance(lesson, Pair)
            else ((lesson.answer, ""),)
        )
        for answer, part in answers:
            messages = (*lesson.prompt, Message("assistant", answer))
            source = f"{lesson.source} ({part})" if part else lesson.source
            found.append(TrainingRow(messages, source, group=lesson.group))
    return tuple(found)


def group_of(lesson: Lesson) -> str:
    """Return what a lesson shares with those that lie on its side of a split."""
    said = lesson.messages if isinstance(lesson, TrainingRow) else lesson.prompt
    return lesson.group or digest(as_dicts(said))


def content_of(lesson: Lesson) -> Any:
    """Return all of a lesson that the trained weights depend on, as JSON."""
    if isinstance(lesson, TrainingRow):
        return lesson.content
    if isinstance(lesson, Pair):
        return [as_dicts(lesson.prompt), lesson.chosen, lesson.rejected]
    return [as_dicts(lesson.prompt), lesson.answer, lesson.advantage]


def demand_lessons(config: TrainConfig, lessons: Sequence[Lesson]) -> None:
    """Raise `InputError` where these are not what the method learns from, or teach nothing."""
    kind = KINDS[config.method]
    if other := next((lesson for lesson in lessons if not isinstance(lesson, kind)), None):
        problem = Problem(
            f"method: {config.method} learns from {_NAMES[kind]}, and these are "
            f"{_NAMES[type(other)]}",
            other.source,
            hint="rows with `chosen` and `rejected` are pairs: train them with method: dpo"
            if isinstance(other, Pair)
            else "answers without a rejected one are trained with method: sft"
            if isinstance(other, TrainingRow)
            else "",
        )
        raise InputError(problem)
    if problems := list(_empty_lessons(lessons)):
        raise InputError(*problems)


def _empty_lessons(lessons: Sequence[Lesson]) -> Iterator[Problem]:
    """Yield pairs that prefer nothing, and rewards that are all the same."""
    for lesson in lessons:
        if isinstance(lesson, Pair) and lesson.chosen.strip() == lesson.rejected.strip():
            yield Problem(
                "the chosen answer and the rejected one are the same",
                lesson.source,
                found=lesson.chosen[:100],
                hint="take the row out, or give it an answer that is worse",
            )
    rewarded = [lesson for lesson in lessons if isinstance(lesson, Rollout)]
    if rewarded and not any(lesson.advantage for lesson in rewarded):
        yield Problem(
            "the reward is constant: no answer is better than another to the same prompt",
            rewarded[0].source,
            found=f"{len(rewarded)} answers",
            hint="raise the temperature or the number of answers, or let checks grade them",
        )


def last_answers(lessons: Sequence[Lesson]) -> bool:
    """Return whether only the last answer of each conversation is learned."""
    return any(not isinstance(lesson, TrainingRow) for lesson in lessons)
