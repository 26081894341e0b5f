"""`harness run` and `harness score`: generate, score, gate, report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.parser import add_settings, given_settings
from harness.settings import Settings, find_root, load_settings


def add_commands(commands: Any) -> None:
    """Register both commands."""
    run = commands.add_parser("run", help="generate, score, gate and report", allow_abbrev=False)
    run.add_argument("suites", nargs="*", metavar="SUITE", help="files or folders")
    add_settings(run)
    run.set_defaults(act=run_command)
    score = commands.add_parser("score", help="the same on recorded answers", allow_abbrev=False)
    score.add_argument("suites", nargs="*", metavar="SUITE", help="files or folders")
    add_settings(score, without=("backend", "device", "dtype", "batch_tokens"))
    score.set_defaults(act=score_command)


def run_command(arguments: argparse.Namespace) -> int:
    """Run the suites on all variants; returns the exit code."""
    settings = read_settings(arguments)
    return _run(settings, arguments.suites)


def score_command(arguments: argparse.Namespace) -> int:
    """Score, gate and report what was recorded in `--responses FILE`."""
    settings = read_settings(arguments, backend="replay")
    return _run(settings, arguments.suites)


def read_settings(arguments: argparse.Namespace, **fixed: Any) -> Settings:
    """Settings of the project around the working directory, with this command line on top."""
    root = find_root(Path.cwd())
    inside = Path.cwd() == root
    return load_settings(Path() if inside else root, {**given_settings(arguments), **fixed})


def _run(settings: Settings, named: list[str]) -> int:
    from rich.console import Console

    from harness.reports import Progress, print_summary
    from harness.session import run_suites

    console = Console(stderr=True)
    with Progress(console) as observer:
        report = run_suites(settings, named, observer=observer)
    print_summary(Console(), report.scorecard, report.paths)
    if report.failure:
        console.print(report.failure, markup=False, highlight=False)
    return report.exit_code
