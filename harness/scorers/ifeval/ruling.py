"""What a rule says of one text."""

from __future__ import annotations

from typing import Literal, NamedTuple

from harness.scorers.counting import Range
from harness.scorers.limits import shown

Relation = Literal["less than", "at least"]


class Ruling(NamedTuple):
    """Whether the instruction is followed (None: cannot tell), and what was found."""

    passed: bool | None
    reason: str


def related(count: Range | int, relation: Relation, bound: int, noun: str) -> Ruling:
    """A count against a bound; a count that is a range may leave it open."""
    low, high = (count, count) if isinstance(count, int) else (count.low, count.high)
    answers = {_holds(low, relation, bound), _holds(high, relation, bound)}
    found = f"{low}" if low == high else f"{low} to {high}"
    reason = f"{found} {noun}, wanted {relation} {bound}"
    return Ruling(answers.pop() if len(answers) == 1 else None, reason)


def _holds(count: int, relation: Relation, bound: int) -> bool:
    return count < bound if relation == "less than" else count >= bound


def exactly(count: int, wanted: int, noun: str) -> Ruling:
    """A count that must be met."""
    return Ruling(count == wanted, f"{count} {noun}, wanted {wanted}")


def at_least(count: int, wanted: int, noun: str) -> Ruling:
    """A count that must be reached."""
    return Ruling(count >= wanted, f"{count} {noun}, wanted at least {wanted}")


def wanted(holds: bool | None, what: str, text: str = "") -> Ruling:
    """A plain yes or no; `text` is the part of the answer that was looked at."""
    if holds is None:
        return Ruling(None, f"cannot tell: {what}")
    return Ruling(holds, what if holds else f"not {what}" + (f": {shown(text)}" if text else ""))
