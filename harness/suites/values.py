"""Suites and cases after loading: templates rendered, data files read, checks validated."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from harness.canonical import JsonValue, digest
from harness.fix_settings import FixSettings
from harness.gate_settings import GateSettings
from harness.sampling import Sampling
from harness.scorers import Check
from harness.suites.haystack import Haystack


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in a file; `line` and `column` count from 1."""

    path: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One scripted user turn and the checks on the answer to it.

    In a haystack case `user` holds the question alone; the plan adds the filler, cut to length
    with the model's own token count.
    """

    user: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Case:
    """One conversation and the checks on its answers."""

    id: str
    suite: str
    category: str
    position: Position
    turns: tuple[Turn, ...]
    system: str | None = None
    tags: tuple[str, ...] = ()
    required: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    repeats: int = 1
    threshold: float | None = None
    cluster: str | None = None
    allow_empty: bool = False
    time_limit: float | None = None
    decoding: Literal["free", "constrained"] = "free"
    haystack: Haystack | None = None

    @cached_property
    def hash(self) -> str:
        """Identity of what is asked and checked: messages before overrides, and checks.

        Equal hashes may be paired; tags, gate settings and sampling do not count here.
        """
        return digest(self._content())

    def _content(self) -> dict[str, JsonValue]:
        turns: list[JsonValue] = [
            {"user": turn.user, "checks": [check.as_json() for check in turn.checks]}
            for turn in self.turns
        ]
        haystack: JsonValue = self.haystack.as_json() if self.haystack else None
        return {
            "system": self.system,
            "turns": turns,
            "haystack": haystack,
            "threshold": self.threshold,
            "allow_empty": self.allow_empty,
        }


@dataclass(frozen=True)
class Suite:
    """The unit that is gated: cases of one category, and their bars.

    `path` is as the user wrote it, with forward slashes. `fix` says where training rows for a
    repair come from; the trainer reads it. `retired` are cases that moved to the training pool:
    they gate no more. `line` is that of the suite's name; `warnings` say what cannot go well.
    """

    name: str
    category: str
    path: str
    cases: tuple[Case, ...]
    description: str = ""
    gate: GateSettings = field(default_factory=GateSettings)
    fix: FixSettings | None = None
    warnings: tuple[str, ...] = ()
    retired: tuple[Case, ...] = ()
    line: int = 1
