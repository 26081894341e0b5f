"""The loop that closes: a failing run becomes rows, an adapter, a verdict, a promotion."""

from harness.training.repair.blocks import block_warnings, check_blocks
from harness.training.repair.loop import DryRun, dry_run, fix
from harness.training.repair.plan import FixPlan, Split, make_plan, split_suite
from harness.training.repair.promotion import Change, Place, promote, rollback, shown
from harness.training.repair.report import print_plan, print_report, write_report
from harness.training.repair.rounds import Watchers
from harness.training.repair.values import Decision, FixOptions, FixPaths, FixReport

__all__ = [
    "Change",
    "Decision",
    "DryRun",
    "FixOptions",
    "FixPaths",
    "FixPlan",
    "FixReport",
    "Place",
    "Split",
    "Watchers",
    "block_warnings",
    "check_blocks",
    "dry_run",
    "fix",
    "make_plan",
    "print_plan",
    "print_report",
    "promote",
    "rollback",
    "shown",
    "split_suite",
    "write_report",
]
