"""How far answers in JSON get, level by level."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from harness.reports.sections.base import (
    Cell,
    Figures,
    Frozen,
    Key,
    TableSection,
    judged,
    key_of,
    share,
)
from harness.results import Result

Level = Literal["L0", "L1", "L2", "L3"]

# What each check looks at. One whose answer could not be read that far did not reach the level.
_LOOKS: Mapping[str, tuple[Level, ...]] = {
    "json": ("L0", "L1"),
    "json_schema": ("L0", "L1", "L2"),
    "json_value": ("L0", "L1", "L3"),
}
_HEADS = {"L0": "L0 whole", "L1": "L1 found", "L2": "L2 schema", "L3": "L3 values"}


class JsonLevel(Frozen):
    """L0: the whole answer is JSON; L1: it holds one; L2: it fits the schema; L3: its values."""

    level: Level
    reached: int
    n: int
    share: float


class JsonLevelsRow(Figures):
    """Levels that the suite's checks look at; `n` counts answers, each repeat by itself."""

    levels: tuple[JsonLevel, ...]


class JsonLevelsSection(TableSection[JsonLevelsRow]):
    """A row per suite and variant, a column per level."""

    name = "json_levels"
    figures = JsonLevelsRow
    title = "JSON levels"
    label = "JSON levels"
    intro = (
        "Share of answers that are JSON from beginning to end (L0), that hold one JSON text "
        "without doubt (L1), that fit the schema (L2), and that have the wanted values (L3). "
        "Each level counts the answers whose checks look at it."
    )

    def __init__(self) -> None:
        self._counts: dict[Key, dict[Level, list[int]]] = {}

    def see(self, result: Result) -> None:
        """Count one result: a level is reached when every check that looks at it says so."""
        levels: dict[Level, bool] = {}
        for check in result.checks if judged(result) else ():
            said = check.detail.get("levels")
            for level in _LOOKS.get(check.check, ()):
                reached = isinstance(said, Mapping) and said.get(level) is True
                levels[level] = levels.get(level, True) and reached
        if levels:
            counts = self._counts.setdefault(key_of(result), defaultdict(lambda: [0, 0]))
            for level, reached in levels.items():
                counts[level][0] += reached
                counts[level][1] += 1

    def rows(self) -> Iterator[JsonLevelsRow]:
        """Yield a row for each suite and variant that has such checks."""
        for (suite, variant), counts in self._counts.items():
            levels = tuple(
                JsonLevel(level=level, reached=reached, n=n, share=reached / n)
                for level, (reached, n) in sorted(counts.items())
            )
            yield JsonLevelsRow(suite=suite, variant=variant, levels=levels)

    @classmethod
    def grid(cls, rows: Sequence[JsonLevelsRow]) -> tuple[Sequence[str], Iterable[Sequence[Cell]]]:
        """Return the share of each level, or a dash where no check looks at it."""
        cells = []
        for row in rows:
            found = {level.level: share(level.share, level.n) for level in row.levels}
            reached = [found.get(level, "–") for level in ("L0", "L1", "L2", "L3")]
            cells.append((row.suite, row.variant, *reached))
        return ("Suite", "Variant", *_HEADS.values()), cells
