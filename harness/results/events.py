"""What an observer hears while a run goes on. Nothing is printed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.results.values import Outcome


@dataclass(frozen=True, slots=True)
class Planned:
    """The run begins: so many trials, which need so many answers at most."""

    trials: int
    requests: int


@dataclass(frozen=True, slots=True)
class Reused:
    """So many answers were in the store already."""

    count: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first answers take a while, and why: "loading the model"."""

    reason: str


@dataclass(frozen=True, slots=True)
class Completed:
    """So many answers have arrived and are on disk; `tokens` counts those of the answers."""

    count: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Scored:
    """One trial has its result, and the result is on disk."""

    suite: str
    case: str
    variant: str
    repeat: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user should know: a choice that was made, a row that was damaged."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The run has ended: answers generated, answers found in the store."""

    generated: int
    cached: int


Event = Planned | Reused | Waiting | Completed | Scored | Note | Finished
Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Do nothing with an event."""
