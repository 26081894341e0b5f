"""What a source of training rows gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.common import from_dicts
from harness.training.values import Pair, TrainingRow


@dataclass(frozen=True)
class Harvest:
    """The rows, or pairs, of one source. `offered` counts what was looked at: rows of a file,
    prompts, or answers to be paired.

    `left_out` says for each reason how many gave no row; `tokens` and `seconds` are what answers
    cost, where a model was asked for them.
    """

    source: str
    offered: int
    rows: tuple[TrainingRow, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    tokens: int = 0
    seconds: float = 0.0
    pairs: tuple[Pair, ...] = ()

    @property
    def kept(self) -> int:
        """How many rows or pairs it gave."""
        return len(self.rows) + len(self.pairs)


def counted(reasons: list[str]) -> dict[str, int]:
    """Return reasons with how often each was given, the most frequent first."""
    return dict(Counter(reasons).most_common())


def harvest_to_json(harvest: Harvest) -> dict[str, Any]:
    """Return all fields by name, rows included."""
    return {**asdict(harvest), "left_out": dict(harvest.left_out)}


def harvest_from_json(body: Mapping[str, Any]) -> Harvest:
    """Return the harvest that `harvest_to_json` made."""
    rows = tuple(
        TrainingRow(
            **{
                **row,
                "messages": from_dicts(row["messages"]),
                "untaught": tuple(row.get("untaught", ())),
                "tools": tuple(row.get("tools", ())),
            }
        )
        for row in body["rows"]
    )
    pairs = tuple(
        Pair(**{**pair, "prompt": from_dicts(pair["prompt"])}) for pair in body.get("pairs", ())
    )
    return Harvest(**{**body, "rows": rows, "pairs": pairs})
