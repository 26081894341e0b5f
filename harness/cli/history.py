"""`harness runs`, `harness show` and `harness rescore`: what earlier runs left in the store."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from harness.cli.parser import add_settings, count
from harness.cli.running import read_settings

if TYPE_CHECKING:
    from harness.runner import RunInfo


def add_commands(commands: Any) -> None:
    """Register the three commands."""
    runs = commands.add_parser("runs", help="list the runs of the store", allow_abbrev=False)
    runs.add_argument("--most", type=count, default=20, metavar="N", help="newest N (default: 20)")
    add_settings(runs)
    runs.set_defaults(act=runs_command)
    show = commands.add_parser("show", help="print one run", allow_abbrev=False)
    show.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    add_settings(show)
    show.set_defaults(act=show_command)
    again = commands.add_parser(
        "rescore", help="today's checks on the answers of a run", allow_abbrev=False
    )
    again.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    again.add_argument("suites", nargs="*", metavar="SUITE", help="files or folders")
    add_settings(again)
    again.set_defaults(act=rescore_command)


def runs_command(arguments: argparse.Namespace) -> int:
    """One line for each run, newest first."""
    from rich.console import Console
    from rich.table import Table

    from harness.runner import existing_store

    settings = read_settings(arguments)
    with existing_store(settings.path(settings.store)) as store:
        runs = store.runs()
    table = Table(box=None, pad_edge=False)
    for head in ("run", "engine", "suites", "variants", "answers"):
        table.add_column(head, overflow="fold")
    for info in runs[: max(arguments.most, 0)]:
        table.add_row(*_row(info))
    Console().print(table)
    return 0


def show_command(arguments: argparse.Namespace) -> int:
    """The summary of a run, gated again from its stored results; the exit code is its verdict's."""
    from rich.console import Console

    from harness.reports import print_summary
    from harness.runner import existing_store, find_run
    from harness.session import reopen

    settings = read_settings(arguments)
    with existing_store(settings.path(settings.store)) as store:
        found = find_run(store, arguments.run)
    report = reopen(settings, found.id)
    print_summary(Console(), report.scorecard, report.paths)
    return report.exit_code


def rescore_command(arguments: argparse.Namespace) -> int:
    """Score again without an engine, and say which outcomes and verdicts change."""
    from harness.rescoring import rescore_run

    settings = read_settings(arguments)
    again = rescore_run(settings, arguments.run, arguments.suites)
    counts = Counter((str(r.before.outcome), str(r.after.outcome)) for r in again.changed)
    print(f"run {again.info.id}: {again.total} results, {len(again.changed)} outcomes change")
    for (before, after), times in sorted(counts.items()):
        print(f"  {before} → {after}: {times}")
    for rescored in again.changed[:20]:
        one = rescored.after
        print(f"  {one.suite} {one.case}[{one.variant}]: {rescored.before.outcome} → {one.outcome}")
    for line in again.verdicts:
        print(line)
    return again.exit_code


def _row(info: RunInfo) -> tuple[str, ...]:
    answers = f"{info.generated} new, {info.cached} stored"
    return (
        info.id,
        info.backend,
        ", ".join(suite.name for suite in info.suites),
        ", ".join(variant.name for variant in info.variants),
        answers if info.finished else f"{answers}, not finished",
    )
