"""Cases, suites and rows made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.common import Message
from harness.scorers import parse_check
from harness.suites import Case, Fitted, Position, Suite, Turn, fit
from harness.training import TrainingRow


def case(name: str, *users: str, checks: tuple[Any, ...] = (), system: str | None = None) -> Case:
    """A case; the checks are on the last answer."""
    parsed = tuple(parse_check(check) for check in checks)
    turns = (*(Turn(user) for user in users[:-1]), Turn(users[-1], parsed))
    return Case(name, "s", "c", Position("s.yaml", 1, 1), turns, system)


def suite(*cases: Case, retired: tuple[Case, ...] = ()) -> Suite:
    """A suite that was read from no file."""
    return Suite("s", "c", "nowhere/s.yaml", cases, retired=retired)


def row(user: str, answer: str = "Yes.", system: str | None = None) -> TrainingRow:
    """A training row of one turn."""
    head = () if system is None else (Message("system", system),)
    return TrainingRow((*head, Message("user", user), Message("assistant", answer)), "pool.jsonl:7")


def copied(case: Case, change: Callable[[str], str] = str) -> TrainingRow:
    """The case as a row; all its answers are short."""
    said = [] if case.system is None else [Message("system", change(case.system))]
    for turn in case.turns:
        said += [Message("user", change(_text(case, turn.user))), Message("assistant", "Yes.")]
    return TrainingRow(tuple(said), f"copy of {case.id}")


def _text(case: Case, user: str) -> str:
    if case.haystack is None:
        return user
    fitted = fit(case.haystack, lambda text: len(text.split()))
    assert isinstance(fitted, Fitted)
    return fitted.text
