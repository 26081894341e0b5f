"""Figures of a run beside its pass rates, where its checks give them: rows of the scorecard."""

from harness.reports.extras.collect import Extras, ExtrasCount, collect_extras
from harness.reports.extras.ifeval import IfevalRow
from harness.reports.extras.json_levels import JsonLevel, JsonLevelsRow
from harness.reports.extras.role import RoleRow, RoleTurn
from harness.reports.extras.row import Row
from harness.reports.extras.second_opinion import Disagreement, SecondOpinionRow
from harness.reports.extras.stability import StabilityRow, Unstable, stability

__all__ = [
    "Disagreement",
    "Extras",
    "ExtrasCount",
    "IfevalRow",
    "JsonLevel",
    "JsonLevelsRow",
    "RoleRow",
    "RoleTurn",
    "Row",
    "SecondOpinionRow",
    "StabilityRow",
    "Unstable",
    "collect_extras",
    "stability",
]
