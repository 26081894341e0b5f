"""`harness nightly`: every variant on its suites, compared with last night and the baselines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.parser import add_settings, new_command, say
from harness.cli.running import read_settings
from harness.common.console import Terminal


def add_commands(commands: Any) -> None:
    """Register the command."""
    nightly = new_command(
        commands,
        "nightly",
        "run a night: all variants, compared with last night",
        "nightly nightly.yaml",
    )
    nightly.add_argument("config", metavar="CONFIG.yaml", help="see docs/nightly.md")
    add_settings(nightly)
    nightly.set_defaults(act=nightly_command)


def nightly_command(arguments: argparse.Namespace) -> int:
    """Run one night; the exit code says whether anything is to be told."""
    from harness.common import plural
    from harness.nightly import check_named, load_config, run_night
    from harness.nightly.alerts import headline
    from harness.nightly.ranking import lines_of
    from harness.reports import Progress
    from harness.reports.words import because, label

    settings = read_settings(arguments)
    config = load_config(Path(arguments.config), settings)
    check_named(Path(arguments.config), config, settings)
    with Progress(Terminal(stderr=True)) as observer:
        report = run_night(settings, config, observer)
    arguments.decided = report.exit_code
    say(headline(report.night, report.alerts) + (", resumed" if report.resumed else ""))
    for failure in report.night.failures:
        say(f"! failed: {failure}")
    for found in report.alerts:
        what = f"{found.variant} in {found.suite} against {found.rival.value}"
        say(f"{label(found.verdict)}: {what}: {because(found.reasons)}")
        say(f"  {found.command}")
    for line in lines_of(report.night):
        say(line)
    for note in report.notes:
        say(f"note: {note}")
    if report.forgotten:
        say(f"{plural(report.forgotten, 'old night')} removed")
    if report.posted:
        say(report.posted)
    for line in report.exported:
        say(line)
    say(f"trend    {report.page}")
    say(f"summary  {report.markdown}")
    return report.exit_code
