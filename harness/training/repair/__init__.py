"""The loop that closes: a failing run becomes rows, an adapter, a verdict, a promotion."""

from harness.training.repair.blocks import block_warnings, check_blocks
from harness.training.repair.loop import DryRun, dry_run, fix
from harness.training.repair.plan import FixPlan, Split, make_plan, split_suite
from harness.training.repair.promotion import AdapterPlace, Change, promote, rollback, shown
from harness.training.repair.report import print_plan, print_report, write_report
from harness.training.repair.rounds import Watchers
from harness.training.repair.selection import (
    CheckpointReport,
    best_checkpoint,
    select_checkpoint,
    selection_lines,
    selection_suites,
)
from harness.training.repair.values import FixOptions, FixPaths, FixReport, RepairDecision

__all__ = [
    "AdapterPlace",
    "Change",
    "CheckpointReport",
    "DryRun",
    "FixOptions",
    "FixPaths",
    "FixPlan",
    "FixReport",
    "RepairDecision",
    "Split",
    "Watchers",
    "best_checkpoint",
    "block_warnings",
    "check_blocks",
    "dry_run",
    "fix",
    "make_plan",
    "print_plan",
    "print_report",
    "promote",
    "rollback",
    "select_checkpoint",
    "selection_lines",
    "selection_suites",
    "shown",
    "split_suite",
    "write_report",
]
