"""A run for other programs: tables, experiment trackers, and the formats of other harnesses."""

from harness.exports.tables import COLUMNS
from harness.exports.targets import TARGETS, check_target, export_to
from harness.exports.tracked import TrackedRun, tracked_runs
from harness.exports.values import Destination, Exported, RunExport

__all__ = [
    "COLUMNS",
    "TARGETS",
    "Destination",
    "Exported",
    "RunExport",
    "TrackedRun",
    "check_target",
    "export_to",
    "tracked_runs",
]
