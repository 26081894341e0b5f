"""What the contamination guard looks for, and what it found."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from harness.common import JsonValue
from harness.training.values import TrainingRow

Kind = Literal["exact", "normalised", "hidden_value", "n-gram", "near_duplicate", "reworded"]


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """What counts as a piece of a case in a training row.

    ngram: so many words in a row (GPT-3's 13). near: from this Jaccard similarity on, a row and a
    case are the same text. hidden: the shortest value that is a hit by itself, in characters.
    max_share: of more rows removed than this, and than `max_hits`, the training set is an error.
    common: texts that everyone uses: what stands in them is no hit.
    model: the folder of a model that embeds texts, with which questions in other words are found.
    reworded: from this cosine on, a row asks for what a case asks.
    """

    ngram: int = 13
    near: float = 0.8
    hidden: int = 6
    max_share: float = 0.05
    max_hits: int = 5
    common: tuple[str, ...] = ()
    model: Path | None = None
    reworded: float = 0.75


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was removed: the case that it holds, how that was seen, and the text they share.

    `also` names other cases that the same row holds.
    """

    source: str
    suite: str
    case: str
    kind: Kind
    text: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class GuardReport:
    """The guard's finding: one hit for each row removed; `read` is `kept` plus all hits.

    `cases` is how many gating cases the rows were held against, `cases_hash` identifies them.
    `rewordings` are the rows that the second guard removed, None where there was none; `notes` say
    what was not looked at.
    """

    read: int
    kept: int
    cases: int
    cases_hash: str
    suites: tuple[str, ...]
    hits: tuple[Hit, ...] = ()
    rewordings: tuple[Hit, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def by_kind(self) -> dict[str, int]:
        """How many rows were removed for each kind of hit, the most first."""
        return dict(Counter(hit.kind for hit in self.hits).most_common())

    def as_json(self) -> dict[str, JsonValue]:
        """For the adapter's manifest and the scorecard: all of it."""

        def listed(hits: tuple[Hit, ...]) -> list[JsonValue]:
            return [{**asdict(hit), "also": list(hit.also)} for hit in hits]

        second = {} if self.rewordings is None else {"rewordings": listed(self.rewordings)}
        return {
            "read": self.read,
            "kept": self.kept,
            "cases": self.cases,
            "cases_hash": self.cases_hash,
            "suites": list(self.suites),
            "by_kind": {**self.by_kind},
            "hits": listed(self.hits),
            **second,
            **({"notes": list(self.notes)} if self.notes else {}),
        }


@dataclass(frozen=True, slots=True)
class Guarded:
    """The rows that hold nothing of any gating case, in their order, and the finding."""

    rows: tuple[TrainingRow, ...]
    report: GuardReport
