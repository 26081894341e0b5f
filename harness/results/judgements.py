"""What people said of answers: one row for each judgement or undo, and which of them still stand.

A judgement is about an answer, not about a run: it holds a digest of what was asked and answered,
and counts in every run, and for every variant, that gave the same answer to the same question.
"""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from harness.common import digest
from harness.common.reading import fitting
from harness.results.values import Result

OVERALL = "overall"  # the criterion of a score where nobody names one
TIE = "tie"  # in the place of a variant's name: neither answer is better
LOWEST, HIGHEST = 1, 5  # of a score

AnswerKey = tuple[str, str, int, str]  # suite, case, turn from 0, digest of the answer


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """An answer that somebody was shown: whose it was, and `answer_digest` of it."""

    variant: str
    digest: str


@dataclass(frozen=True, slots=True)
class HumanJudgement:
    """One row of what a person said, or took back: rows are added, and never changed.

    `answers` are those that were shown, one or two, in the order shown: the first stood on side A,
    the second on side B. One answer has a `score` from 1 to 5 by a `criterion`. Of two, `preferred`
    is the variant's name of the better one, or `TIE`, and the criterion is empty. `repeat` and
    `turn` count from 0. `time` is ISO 8601 in UTC. `undoes` is the id of the row that this one
    takes back: its other fields are those of that row.
    """

    id: str
    suite: str
    case: str
    turn: int
    repeat: int
    answers: tuple[JudgedAnswer, ...]
    rater: str
    time: str
    criterion: str = ""
    score: Annotated[int, Field(ge=LOWEST, le=HIGHEST)] | None = None
    preferred: str | None = None
    note: str = ""
    undoes: str = ""

    @property
    def keys(self) -> tuple[AnswerKey, ...]:
        """Return which answers it is about, in the order shown."""
        return tuple((self.suite, self.case, self.turn, each.digest) for each in self.answers)

    @property
    def about(self) -> tuple[object, ...]:
        """Return what a rater says one thing of: a later row about the same replaces this one."""
        return (self.rater, self.criterion, self.score is None, frozenset(self.keys))

    @property
    def better(self) -> str | None:
        """Return the digest of the answer that was preferred; None for a tie and for a score."""
        return next((each.digest for each in self.answers if each.variant == self.preferred), None)

    def undone(self) -> HumanJudgement:
        """Return the row that takes this one back, made now."""
        return replace(self, id=new_id(), time=now(), undoes=self.id)


def new_id() -> str:
    """Return an id for a new row."""
    return secrets.token_hex(8)


def now() -> str:
    """Return the time as judgements hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def answer_digest(result: Result, turn: int) -> str:
    """Return the digest of an answer to the user turn number `turn`, with what it answers.

    It holds the user's texts and all that the model wrote up to this answer, its steps with tools
    included; neither the variant nor its system prompt.
    """
    asked = [message["content"] for message in result.prompt if message["role"] == "user"]
    steps = [[step.turn, step.text] for step in result.steps if step.turn <= turn]
    return digest([asked, steps or list(result.responses[: turn + 1])])


def standing(rows: Iterable[HumanJudgement]) -> tuple[HumanJudgement, ...]:
    """Return the judgements that hold, of rows in the order of writing.

    An undone row does not, nor one after which its rater said something else of the same; where
    that is undone, the earlier one holds again.
    """
    every = tuple(rows)
    taken_back = {row.undoes for row in every}
    last: dict[tuple[object, ...], HumanJudgement] = {}
    for row in every:
        if not row.undoes and row.id not in taken_back:
            last.pop(row.about, None)  # the newest is the last
            last[row.about] = row
    return tuple(last.values())


def places_of(
    judgements: Iterable[HumanJudgement], results: Iterable[Result]
) -> dict[AnswerKey, list[tuple[str, int]]]:
    """Return who gave the judged answers: variants with their repeats, by answer.

    Answers that none of the results holds are not in it.
    """
    wanted = {key for row in judgements for key in row.keys}
    turns: dict[tuple[str, str], set[int]] = {}
    for suite, case, turn, _ in wanted:
        turns.setdefault((suite, case), set()).add(turn)
    found: dict[AnswerKey, list[tuple[str, int]]] = {}
    for result in results:
        for turn in turns.get((result.suite, result.case), ()):
            key = (result.suite, result.case, turn, answer_digest(result, turn))
            if turn < len(result.responses) and key in wanted:
                found.setdefault(key, []).append((result.variant, result.repeat))
    return found


def judged_among(
    judgements: Iterable[HumanJudgement], answers: Container[AnswerKey]
) -> tuple[HumanJudgement, ...]:
    """Return the judgements all of whose answers are among these."""
    return tuple(row for row in judgements if all(key in answers for key in row.keys))


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What people said of the answers of a run: judgements that stand, and who gave the answers."""

    judgements: tuple[HumanJudgement, ...] = ()
    places: Mapping[AnswerKey, Sequence[tuple[str, int]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.judgements)


def reviewed(rows: Iterable[HumanJudgement], results: Iterable[Result]) -> Reviewed:
    """Return what stands of these rows about these results; the results are read at most once."""
    known = standing(rows)
    if not known:
        return Reviewed()
    places = places_of(known, results)
    return Reviewed(judged_among(known, places), places)


def judgement_to_json(row: HumanJudgement) -> dict[str, Any]:
    """Return all fields by name; those that say nothing are left out."""
    whole = {**asdict(row), "answers": [asdict(each) for each in row.answers]}
    return {name: value for name, value in whole.items() if value not in ("", None)}


def judgement_from_json(row: Mapping[str, Any], path: str = "") -> HumanJudgement:
    """Return the judgement that `judgement_to_json` made; raises InputError for anything else."""
    return fitting(HumanJudgement, row, path, what="the judgement")
