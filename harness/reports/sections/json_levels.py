"""How far answers in JSON get, level by level."""

from __future__ import annotations

from collections.abc import Sequence

from harness.reports.extras import JsonLevelsRow
from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import Cell, TableSection, share

_LEVELS = {"L0": "L0 whole", "L1": "L1 found", "L2": "L2 schema", "L3": "L3 values"}


class JsonLevelsSection(TableSection[JsonLevelsRow]):
    """A row per suite and variant, a column per level."""

    title = "JSON levels"
    label = "JSON levels"
    intro = (
        "Share of answers that are JSON from beginning to end (L0), that hold one JSON text "
        "without doubt (L1), that fit the schema (L2), and that have the wanted values (L3). "
        "Each level counts the answers whose checks look at it."
    )

    def __init__(self, scorecard: Scorecard) -> None:
        super().__init__(scorecard.extras.json_levels)

    def head(self) -> Sequence[str]:
        """A column for each level."""
        return ("Suite", "Variant", *_LEVELS.values())

    def cells(self, row: JsonLevelsRow) -> tuple[Cell, ...]:
        """The share of each level, or a dash where no check looks at it."""
        found: dict[str, Cell] = {level.level: share(level.share, level.n) for level in row.levels}
        return (row.suite, row.variant, *(found.get(name, "–") for name in _LEVELS))
