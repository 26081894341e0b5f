"""What is judged: items of one answer or of two, and on which side each of two stands."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from harness.common import InputError, Problem, shown
from harness.results import AnswerKey, HumanJudgement

By = Literal["scores", "pairs"]
Asked = tuple[str, str]  # a role, and what it said
OVERALL = "overall"  # the criterion where neither the suite nor the command line names one
LONGEST_RATER = 60  # characters
LONGEST_NOTE = 2_000


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """Which answers of a run are judged, and how.

    `by` is None where the run decides: pairs where it has two variants, else scores. Without names
    all suites, cases and variants take part; a case is a pattern as in `c*`. `sample` draws so many
    cases in place of those that the statistics call uncertain. `criteria` stand in the place of the
    suites' own rubrics.
    """

    by: By | None = None
    suites: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """One answer, with the part of its conversation that it does not share: the answer is last."""

    variant: str
    repeat: int
    digest: str
    conversation: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """What one screen asks: one answer to be scored, or two to be compared.

    `asked` is the conversation before it, as far as two share it. `criteria` are those of a score;
    `rubric` says by what two are compared, where the suite does. `why` says why it was chosen.
    The answers stand in an order that says nothing of who gave them, and that no rater sees.
    """

    id: str
    suite: str
    case: str
    turn: int
    asked: tuple[Asked, ...]
    answers: tuple[ShownAnswer, ...]
    criteria: tuple[str, ...]
    rubric: str = ""
    why: str = ""

    @property
    def by(self) -> By:
        """Return how it is judged."""
        return "pairs" if len(self.answers) == 2 else "scores"

    @property
    def keys(self) -> frozenset[AnswerKey]:
        """Return which answers it is about."""
        return frozenset((self.suite, self.case, self.turn, a.digest) for a in self.answers)

    def is_about(self, row: HumanJudgement) -> bool:
        """Return whether a judgement is one of this item."""
        return frozenset(row.keys) == self.keys and (row.score is None) == (self.by == "pairs")


def in_order(item: ReviewItem, rater: str, seed: int) -> tuple[ShownAnswer, ...]:
    """Return the answers in the order in which this rater sees them: A, then B.

    Drawn by a hash of seed, item and rater: each order for half of the items, the same whenever
    the rater comes back.
    """
    drawn = hashlib.sha256(f"{seed}\n{item.id}\n{rater}".encode()).digest()[0] & 1
    return item.answers[::-1] if drawn else item.answers


def check_rater(name: str) -> str:
    """Return a rater's name; raises InputError for one that cannot be told from others later."""
    if name and name == name.strip() and name.isprintable() and len(name) <= LONGEST_RATER:
        return name
    expected = f"1 to {LONGEST_RATER} visible characters, with no space at either end"
    raise InputError(
        Problem(
            "this is no name of a rater",
            found=shown(name) if name else "no name",
            expected=expected,
            hint="--rater NAME says who judges",
        )
    )
