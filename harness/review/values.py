"""What is judged: items of one answer or of two, and on which side each of two stands."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.common import InputError, Problem, shown
from harness.results import AnswerKey, HumanJudgement

By = Literal["scores", "pairs"]
Asked = tuple[str, str]  # a role, and what it said
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


def in_order(
    items: Sequence[ReviewItem], rater: str, seed: int
) -> tuple[tuple[ShownAnswer, ...], ...]:
    """Return the answers of each item in the order in which this rater sees them: A, then B.

    The items of two variants are put in an order drawn by seed and rater, and every other one has
    the first of the two on side A: each stands there in half of the items, give or take one, and
    which half nobody can tell. The same items have the same sides whenever the rater comes back.
    """

    def drawn(*words: object) -> bytes:
        return hashlib.sha256("\n".join(map(str, (seed, rater, *words))).encode()).digest()

    groups: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for at, item in enumerate(items):
        groups[tuple(sorted(answer.variant for answer in item.answers))].append(at)
    found = [item.answers for item in items]
    for names, places in groups.items():
        start = drawn(*names)[0] & 1
        for rank, at in enumerate(sorted(places, key=lambda place: drawn(items[place].id))):
            turned = (rank + start) % 2 == 1
            answers = sorted(items[at].answers, key=lambda answer: answer.variant, reverse=turned)
            found[at] = tuple(answers)
    return tuple(found)


def check_rater(name: str) -> str:
    """Return a rater's name; raises InputError for one that cannot be told from others later."""
    is_word = any(sign.isalnum() for sign in name) and "/" not in name  # it is a part of addresses
    if is_word and name == name.strip() and name.isprintable() and len(name) <= LONGEST_RATER:
        return name
    expected = f"1 to {LONGEST_RATER} visible characters, a letter among them, and no slash"
    raise InputError(
        Problem(
            "this is no name of a rater",
            found=shown(name) if name else "no name",
            expected=expected,
            hint="--rater NAME says who judges",
        )
    )
