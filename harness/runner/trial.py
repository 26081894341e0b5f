"""One case on one variant, once."""

from __future__ import annotations

from dataclasses import dataclass

from harness.runner.values import Outcome
from harness.suites.values import Case
from harness.variants import Variant

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
    """Skipped, or an error where the case is required."""
    return (Outcome.ERROR if trial.case.required else Outcome.SKIPPED), reason


def no_room(prompt: int, answer: int, room: int, turn: int = 0) -> str:
    """Why it cannot be asked, in words; all sizes in tokens."""
    which = f"turn {turn + 1} does" if turn else "does"
    needed = f"{prompt} tokens of prompt + {answer} for the answer"
    return f"{which} not fit the context: {needed} > {room}"
