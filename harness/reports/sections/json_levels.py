"""How far answers in JSON get, level by level."""

from __future__ import annotations

from markupsafe import Markup

from harness.reports.extras import JsonLevelsRow
from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import Cell, legend, share, table
from harness.runner.values import Result

_LEVELS = {"L0": "L0 whole", "L1": "L1 found", "L2": "L2 schema", "L3": "L3 values"}


class JsonLevelsSection:
    """A row per suite and variant, a column per level."""

    title = "JSON levels"

    def __init__(self, scorecard: Scorecard) -> None:
        self._rows = scorecard.extras.json_levels

    def see(self, result: Result) -> None:
        """The figures are on the scorecard; results add nothing."""

    @property
    def filled(self) -> bool:
        """Whether the run used checks on JSON."""
        return bool(self._rows)

    def markup(self) -> Markup:
        """An introduction and a table."""
        intro = (
            "Share of answers that are JSON from beginning to end (L0), that hold one JSON text "
            "without doubt (L1), that fit the schema (L2), and that have the wanted values (L3). "
            "Each level counts the answers whose checks look at it."
        )
        head = ("Suite", "Variant", *_LEVELS.values())
        return legend(intro) + table("JSON levels", head, map(_cells, self._rows))


def _cells(row: JsonLevelsRow) -> tuple[Cell, ...]:
    found: dict[str, Cell] = {level.level: share(level.share, level.n) for level in row.levels}
    return (row.suite, row.variant, *(found.get(name, "–") for name in _LEVELS))
