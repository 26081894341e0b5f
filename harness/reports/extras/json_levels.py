"""How far answers in JSON get: parsed as a whole, extracted, valid, with the right values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Literal

from harness.reports.extras.row import Frozen, Key, Row, judged, key_of
from harness.runner.values import CheckResult, Result

Level = Literal["L0", "L1", "L2", "L3"]

# What each check looks at. One whose answer could not be read that far did not reach the level.
_LOOKS: Mapping[str, tuple[Level, ...]] = {
    "json": ("L0", "L1"),
    "json_schema": ("L0", "L1", "L2"),
    "json_value": ("L0", "L1", "L3"),
}


class JsonLevel(Frozen):
    """L0: the whole answer is JSON; L1: it holds one; L2: it fits the schema; L3: its values."""

    level: Level
    reached: int
    n: int
    share: float


class JsonLevelsRow(Row):
    """Levels that the suite's checks look at; `n` counts answers, each repeat by itself."""

    levels: tuple[JsonLevel, ...]


class JsonLevelsCount:
    """Counts results, one after the other."""

    def __init__(self) -> None:
        self._counts: dict[Key, dict[Level, list[int]]] = {}

    def add(self, result: Result) -> None:
        """Count one result: a level is reached when every check that looks at it says so."""
        levels: dict[Level, bool] = {}
        for check in result.checks if judged(result) else ():
            for level in _LOOKS.get(check.check, ()):
                levels[level] = levels.get(level, True) and _reached(check, level)
        if levels:
            counts = self._counts.setdefault(key_of(result), defaultdict(lambda: [0, 0]))
            for level, reached in levels.items():
                counts[level][0] += reached
                counts[level][1] += 1

    def rows(self) -> Iterator[JsonLevelsRow]:
        """A row for each suite and variant that has such checks."""
        for (suite, variant), counts in self._counts.items():
            levels = tuple(
                JsonLevel(level=level, reached=reached, n=n, share=reached / n)
                for level, (reached, n) in sorted(counts.items())
            )
            yield JsonLevelsRow(suite=suite, variant=variant, levels=levels)


def _reached(check: CheckResult, level: Level) -> bool:
    levels = check.detail.get("levels")
    return isinstance(levels, Mapping) and levels.get(level) is True
