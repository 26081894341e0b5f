"""What cleaning is asked to do, and what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal

from harness.common import InputError, JsonValue, Problem
from harness.scorers.languages import LANGUAGES
from harness.training.values import TrainingRow

CountTokens = Callable[[TrainingRow], int]

Reason = Literal[
    "empty",
    "garbled",
    "placeholder",
    "broken_json",
    "language",
    "too_long",
    "duplicate",
    "near_duplicate",
]
Private = Literal["e-mail address", "secret"]


@dataclass(frozen=True, slots=True)
class CleaningSettings:
    """What a row may not be, and how much may be dropped.

    near: from this Jaccard similarity of 5-character shingles on, two rows with the same numbers
    are the same row.
    max_tokens: the longest conversation that the model takes, its template included.
    languages: answers may be in these alone (`en`, `de`, ...), each in one of them; empty allows
    all languages, and then only letters of a script that nobody spoke of are a fault.
    redact: e-mail addresses and secrets are replaced; otherwise they are only counted.
    max_dropped: of more rows dropped than this share, and than `most`, the data are an error.
    off: reasons for which nothing is dropped.
    """

    near: float = 0.9
    max_tokens: int | None = None
    languages: tuple[str, ...] = ()
    redact: bool = False
    max_dropped: float = 0.3
    most: int = 5
    off: frozenset[Reason] = frozenset()

    def __post_init__(self) -> None:
        """Raise InputError for codes of languages that nobody here can tell."""
        for code in self.languages:
            if code not in LANGUAGES:
                wanted = "codes of ISO 639-1, such as en, de, zh"
                problem = Problem("language is not known", found=code, expected=wanted)
                raise InputError(problem)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that was left out: its source, why, and what exactly."""

    source: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """Private data in a row, and whether they were replaced."""

    source: str
    what: Private
    count: int
    redacted: bool


@dataclass(frozen=True)
class CleaningReport:
    """Every row that was dropped or changed; `read` is `kept` plus `dropped`.

    `scripts` says in which script most of the kept answers' letters are, and in how many of them.
    """

    read: int
    kept: int
    dropped: tuple[Dropped, ...] = ()
    noticed: tuple[Noticed, ...] = ()
    scripts: dict[str, int] = field(default_factory=dict)

    @property
    def by_reason(self) -> dict[str, int]:
        """How many rows each reason cost, the most first."""
        return dict(Counter(row.reason for row in self.dropped).most_common())

    def as_json(self) -> dict[str, JsonValue]:
        """For manifests and reports: all of it."""
        return {
            "read": self.read,
            "kept": self.kept,
            "by_reason": {**self.by_reason},
            "dropped": _rows(self.dropped),
            "noticed": _rows(self.noticed),
            "scripts": {**self.scripts},
        }


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The rows that are left, in their order, and the report."""

    rows: tuple[TrainingRow, ...]
    report: CleaningReport


def _rows(items: Iterable[Dropped | Noticed]) -> list[JsonValue]:
    return [asdict(item) for item in items]
