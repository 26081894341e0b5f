"""`harness compare`: any two or more runs or variants, paired."""

from __future__ import annotations

import argparse
from typing import Any

from harness.cli.parser import add_selection, add_settings, new_command, selection_of
from harness.cli.running import read_settings
from harness.common.console import Terminal
from harness.config import flags

_USED = {"store", "report_dir"}


def add_commands(commands: Any) -> None:
    """Register the command."""
    compare = new_command(
        commands,
        "compare",
        "compare runs, paired",
        "compare 20261120-0200 latest",
        "compare latest:base latest:new latest:other",
        "compare baselines/production.json latest:new",
        "compare latest:base latest:new --tag invoices",
    )
    compare.add_argument(
        "sides",
        nargs="+",
        metavar="RUN[:VARIANT]",
        help="a run's id, its beginning or latest; a folder under reports/; a baseline file. "
        "The first is the baseline.",
    )
    compare.add_argument(
        "--insist", action="store_true", help="compare what differs all the same, with a warning"
    )
    add_selection(compare)
    add_settings(compare, without={name for name, _, _ in flags()} - _USED)
    compare.set_defaults(act=compare_command)


def compare_command(arguments: argparse.Namespace) -> int:
    """Print the comparison and write it under `reports/`; the exit code is the verdict's."""
    from harness.evaluation import compare_runs
    from harness.reports import print_summary

    settings = read_settings(arguments)
    report = compare_runs(
        settings, arguments.sides, insist=arguments.insist, selection=selection_of(arguments)
    )
    arguments.decided = report.exit_code
    print_summary(Terminal(), report.scorecard, report.paths)
    return report.exit_code
