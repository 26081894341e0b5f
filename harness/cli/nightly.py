"""`harness nightly`: every variant on its suites, compared with last night and the baselines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.parser import add_settings, new_command
from harness.cli.running import read_settings
from harness.common.console import Terminal

if TYPE_CHECKING:
    from harness.nightly import NightReport


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
    from harness.nightly import check_named, load_config, run_night
    from harness.reports import Progress

    settings = read_settings(arguments)
    config = load_config(Path(arguments.config), settings)
    check_named(Path(arguments.config), config, settings)
    with Progress(Terminal(stderr=True)) as observer:
        report = run_night(settings, config, observer)
    for line in _lines(report):
        print(line)
    return report.exit_code


def _lines(report: NightReport) -> list[str]:
    from harness.common import plural
    from harness.nightly.alerts import headline
    from harness.nightly.ranking import lines_of
    from harness.reports import because, label

    lines = [headline(report.night, report.alerts) + (", resumed" if report.resumed else "")]
    lines += [f"! failed: {failure}" for failure in report.night.failures]
    for found in report.alerts:
        what = f"{found.variant} in {found.suite} against {found.rival.value}"
        lines += [f"{label(found.verdict)}: {what}: {because(found.reasons)}"]
        lines += [f"  {found.command}"]
    lines += lines_of(report.night)
    lines += [f"note: {note}" for note in report.notes]
    if report.forgotten:
        lines.append(f"{plural(report.forgotten, 'old night')} removed")
    lines += [report.posted] if report.posted else []
    return [*lines, f"trend    {report.page}", f"summary  {report.markdown}"]
