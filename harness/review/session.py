"""One review: what each rater is shown next, and what was said is saved at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from harness.common import InputError, Problem, listed, nearest
from harness.common.reading import fitting
from harness.results import (
    HIGHEST,
    LOWEST,
    TIE,
    HumanJudgement,
    JudgedAnswer,
    new_id,
    now,
    standing,
)
from harness.review.values import LONGEST_NOTE, By, ReviewItem, ShownAnswer, in_order
from harness.store import add_judgements, existing_store, read_judgements

SIDES: tuple[Literal["A"], Literal["B"]] = ("A", "B")


@dataclass(frozen=True, slots=True)
class Submission:
    """What came from a page: a score by a criterion, or a side, or a note alone."""

    criterion: str = ""
    score: Annotated[int, Field(ge=LOWEST, le=HIGHEST)] | None = None
    preferred: Literal["A", "B", "tie"] | None = None
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] | None = None


class Review:
    """The items of a review, and the store that holds what is said of them.

    It keeps nothing that is said itself: several raters, servers and files may add judgements at
    once.
    """

    def __init__(self, store: Path, items: Sequence[ReviewItem], seed: int = 0) -> None:
        self.items = tuple(items)
        self._store, self._seed = store, seed
        self._suites = {item.suite for item in items}
        self._orders: dict[str, tuple[tuple[ShownAnswer, ...], ...]] = {}
        self._places = {(item.by, item.keys): at for at, item in enumerate(self.items)}

    def judged_by(self, rater: str) -> tuple[HumanJudgement, ...]:
        """Return the judgements of a rater that stand, on the items of this review."""
        with existing_store(self._store) as store:
            rows = standing(read_judgements(store, self._suites, rater))
        return tuple(row for row in rows if self._place(row) is not None)

    def view(self, rater: str, number: int) -> dict[str, Any]:
        """Return what the page shows of the item `number`, from 0, as JSON.

        No name of a variant is in it: answers are those of the sides A and B.
        """
        item, rows = self.items[number], self.judged_by(rater)
        mine = [row for row in rows if item.is_about(row)]
        answers = self._sides(rater)[number]
        preferred = next((row for row in mine if row.score is None), None)
        side = None
        if preferred is not None:
            better = [each.digest for each in answers]
            side = SIDES[better.index(preferred.better)] if preferred.better else TIE
        scores = {row.criterion: row.score for row in mine if row.score is not None}
        done = self._done(rows)
        behind = range(number + 1, len(done))
        return {
            "number": number,
            "count": len(self.items),
            "judged": sum(done),
            "next": next((at for at in (*behind, *range(number)) if not done[at]), None),
            "by": item.by,
            "suite": item.suite,
            "case": item.case,
            "why": item.why,
            "rubric": item.rubric,
            "asked": [{"role": role, "text": text} for role, text in item.asked],
            "answers": [
                [{"role": role, "text": text} for role, text in answer.conversation]
                for answer in answers
            ],
            "criteria": list(item.criteria),
            "scores": scores,
            "preferred": side,
            "note": mine[-1].note if mine else "",
        }

    def say(self, rater: str, number: int, value: Mapping[str, Any]) -> None:
        """Save what a rater said of an item; raises InputError for what nobody can say of it."""
        said = fitting(Submission, value, "", what="this judgement")
        item = self.items[number]
        mine = [row for row in self.judged_by(rater) if item.is_about(row)]
        if said.score is None and said.preferred is None:
            if said.note is not None and mine and said.note != mine[-1].note:
                # A note alone is a new row too: it says again what was said last.
                self._add(replace(mine[-1], id=new_id(), time=now(), note=said.note))
            return
        answers = self._sides(rater)[number]
        if item.by == "scores" and (said.preferred or said.criterion not in item.criteria):
            raise InputError(
                Problem(
                    f"there is no criterion {said.criterion!r} here",
                    expected=listed(item.criteria),
                    did_you_mean=nearest(said.criterion, item.criteria),
                )
            )
        if item.by == "pairs" and said.score is not None:
            raise InputError(Problem("two answers are compared here", expected="A, B or tie"))
        preferred = None
        if said.preferred is not None:
            preferred = (
                TIE if said.preferred == TIE else answers[SIDES.index(said.preferred)].variant
            )
        self._add(
            HumanJudgement(
                id=new_id(),
                suite=item.suite,
                case=item.case,
                turn=item.turn,
                repeat=answers[0].repeat,
                answers=tuple(JudgedAnswer(each.variant, each.digest) for each in answers),
                rater=rater,
                time=now(),
                criterion=said.criterion if item.by == "scores" else "",
                score=said.score,
                preferred=preferred,
                note=said.note or "",
            )
        )

    def undo(self, rater: str) -> int | None:
        """Take back what this rater said last; return the item that it was about, if any."""
        rows = self.judged_by(rater)
        if not rows:
            return None
        self._add(rows[-1].undone())
        return self._place(rows[-1])

    def first_open(self, rater: str) -> int:
        """Return the first item that this rater has not judged; the first of all where none is."""
        done = self._done(self.judged_by(rater))
        return next((at for at, is_done in enumerate(done) if not is_done), 0)

    def _sides(self, rater: str) -> tuple[tuple[ShownAnswer, ...], ...]:
        """Return the answers of all items, in the order of this rater; it is drawn once."""
        if rater not in self._orders:
            self._orders[rater] = in_order(self.items, rater, self._seed)
        return self._orders[rater]

    def _done(self, rows: Sequence[HumanJudgement]) -> list[bool]:
        """Return of each item whether these rows say all of it that is asked."""
        said: defaultdict[int | None, set[str]] = defaultdict(set)
        for row in rows:
            said[self._place(row)].add(row.criterion)
        return [said[at].issuperset(item.criteria or ("",)) for at, item in enumerate(self.items)]

    def _place(self, row: HumanJudgement) -> int | None:
        by: By = "pairs" if row.score is None else "scores"
        return self._places.get((by, frozenset(row.keys)))

    def _add(self, row: HumanJudgement) -> None:
        with existing_store(self._store) as store:
            add_judgements(store, [row])
