"""What a repair is asked to do, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.common import InputError, Method, Problem, html_table

CURRENT = Path(".harness/adapters/current")
PARAPHRASES = (0, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class FixOptions:
    """What the command line says. Paths are relative to the project.

    `suites`: names of failing suites; without any, all that have `fix:`. `variant`: which candidate
    of the run is repaired, where several failed. `current`: the link to the adapter in use. `gpus`,
    `hosts`, `main_address`: on how many and where an adapter is trained, and `method`: how, instead
    of what the suites say.
    """

    run: str = "latest"
    suites: tuple[str, ...] = ()
    variant: str | None = None
    rounds: int | None = None
    bad_cases: Path | None = None
    paraphrases: int = 0
    current: Path = CURRENT
    gpus: int | None = None
    hosts: int | None = None
    main_address: str | None = None
    method: Method | None = None

    def __post_init__(self) -> None:
        """Raise `InputError` for numbers that make no sense."""
        problems = []
        if self.paraphrases not in PARAPHRASES:
            found = str(self.paraphrases)
            problems.append(Problem("--paraphrases is 3, 4 or 5", found=found))
        elif self.paraphrases and not self.bad_cases:
            hint = "give --bad-cases FILE with it"
            problems.append(Problem("--paraphrases rewords bad cases: there are none", hint=hint))
        if self.rounds is not None and self.rounds < 1:
            problems.append(Problem("--rounds is 1 or more", found=str(self.rounds)))
        if problems:
            raise InputError(*problems)


class RepairDecision(StrEnum):
    """How a loop ended."""

    PROMOTED = "promoted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class SourceReport:
    """What one source gave: rows looked at, rows kept, and why the others were not."""

    source: str
    offered: int
    kept: int
    replay: bool
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingReport:
    """What the trainer did. `losses` and `held_out` are pairs of step and loss."""

    steps: int
    seconds: float
    tokens: int
    losses: tuple[tuple[int, float], ...] = ()
    held_out: tuple[tuple[int, float], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DevReport:
    """A repaired suite on its dev side: how many of `n` passed before and after this round."""

    suite: str
    n: int
    before: int
    after: int
    reached: bool


@dataclass(frozen=True)
class RoundReport:
    """One round: rows, what was cleaned and what the guard removed, training, and the dev side.

    `teaching` counts rows, pairs or answers, by the `method`. `start` is the adapter that the round
    went on from, if any. `lessons` says more of pairs (lengths, margins) or rewards. `stopped` is
    why a watch ended the round: its adapter is not put in use. `selection` has the checkpoints and
    the step that was taken, where suites chose it.
    """

    number: int
    sources: tuple[SourceReport, ...]
    teaching: int
    replay: int
    cleaning: Mapping[str, Any]
    guard: Mapping[str, Any]
    training: TrainingReport
    dev: tuple[DevReport, ...]
    adapter: str
    method: str = "sft"
    start: str = ""
    lessons: Mapping[str, Any] = field(default_factory=dict)
    stopped: str = ""
    selection: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SuiteReport:
    """One suite in the judging run. `rival` is whom the adapter was compared with.

    `before` and `after` are pass rates on the same `n` cases: the holdout of a repaired suite, all
    cases of any other. `bound` is the one-sided 95 % lower bound of the difference.
    """

    suite: str
    category: str
    repaired: bool
    n: int
    rival: str
    before: float
    after: float
    delta: float | None
    bound: float | None
    verdict: str
    reasons: tuple[str, ...]
    worse: tuple[str, ...] = ()
    better: int = 0


@dataclass(frozen=True)
class Cost:
    """What a loop took. `generated` counts answers; tokens are those of answers and of training."""

    seconds: Mapping[str, float]
    generated: int
    answer_tokens: int
    trained_tokens: int

    @property
    def total(self) -> float:
        """Seconds altogether."""
        return sum(self.seconds.values())


@dataclass(frozen=True, repr=False)
class FixReport:
    """A loop from the failing run to the decision.

    `failing_run` is the run that was repaired, `judging_run` the one that decided. `before` is the
    variant under repair, `was` the adapter in use when the loop started.
    """

    loop: str
    started: str
    failing_run: str
    judging_run: str
    before: str
    repaired: tuple[str, ...]
    decision: RepairDecision
    reasons: tuple[str, ...]
    rounds: tuple[RoundReport, ...]
    suites: tuple[SuiteReport, ...]
    max_drop: float
    cost: Cost
    adapter: str
    was: str
    link: str
    notes: tuple[str, ...] = ()
    again: bool = False

    def __repr__(self) -> str:
        """Return the loop, how it ended and what it is about."""
        said = f"{', '.join(self.repaired)} of {self.before}"
        return f"FixReport({self.loop}, {self.decision.value}, {said})"

    def _repr_html_(self) -> str:
        from harness.training.repair.report import HEADS, cells, headline

        table = html_table(HEADS, [cells(row) for row in self.suites], headline(self))
        return table + html_table((), [("reason", text) for text in self.reasons])

    @property
    def exit_code(self) -> int:
        """0 promoted, 1 rejected."""
        return 0 if self.decision is RepairDecision.PROMOTED else 1


@dataclass(frozen=True, slots=True)
class FixPaths:
    """Where the files of a repair's report lie."""

    html: Path
    json: Path
    markdown: Path
