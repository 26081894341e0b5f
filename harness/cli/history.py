"""`harness runs`, `harness show` and `harness rescore`: what earlier runs left in the store."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from harness.cli.parser import add_settings, columns, count, new_command, say
from harness.cli.running import named_run, read_settings, tell
from harness.common.console import Terminal


def add_commands(commands: Any) -> None:
    """Register the three commands."""
    runs = new_command(commands, "runs", "list the runs of the store", "runs --most 5")
    runs.add_argument("--most", type=count, default=20, metavar="N", help="newest N (default: 20)")
    add_settings(runs, only=("store",))
    runs.set_defaults(act=runs_command)
    show = new_command(commands, "show", "print one run, gated again", "show", "show 20261121-1033")
    show.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    add_settings(show, only=("store", "report_dir"))
    show.set_defaults(act=show_command)
    again = new_command(
        commands,
        "rescore",
        "today's checks on the answers of a run",
        "rescore",
        "rescore 20261121-1033 suites/invoices.yaml",
    )
    again.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    again.add_argument("suites", nargs="*", metavar="SUITE", help="files or folders")
    add_settings(again, only=("store",))
    again.set_defaults(act=rescore_command)


def runs_command(arguments: argparse.Namespace) -> int:
    """Print one line for each run, newest first; what is not finished has no verdict."""
    from harness.common import duration, plural
    from harness.reports import kept_verdict
    from harness.reports.words import label
    from harness.store import count_results, existing_store

    settings = read_settings(arguments)
    rows = [("run", "verdict", "took", "answers", "engine", "variants", "suites")]
    with existing_store(settings.path(settings.store)) as store:
        for info in store.runs()[: arguments.most]:
            ended = ("not finished", "–", plural(count_results(store, info.id), "result"))
            if info.finished:
                verdict = label(kept_verdict(store, info.id))
                answers = f"{info.generated} new, {info.cached} stored"
                ended = (verdict, duration(info.seconds), answers)
            variants = ", ".join(variant.name for variant in info.variants)
            suites = ", ".join(suite.name for suite in info.suites)
            rows.append((info.id, *ended, info.backend, variants, suites))
    for line in columns(rows):
        say(line)
    return 0


def show_command(arguments: argparse.Namespace) -> int:
    """Print a run, gated again from its stored results; the exit code is its verdict's."""
    from harness.evaluation import reopen
    from harness.reports import print_summary
    from harness.store import existing_store

    settings = read_settings(arguments)
    with existing_store(settings.path(settings.store)) as store:
        found = named_run(store, arguments.run)
    report = reopen(settings, found.id)
    arguments.decided = report.exit_code
    print_summary(Terminal(), report.scorecard, report.paths)
    return tell(report.exit_code, report.gate.verdict)


def rescore_command(arguments: argparse.Namespace) -> int:
    """Score again without an engine, and say which outcomes and verdicts change."""
    from harness.evaluation import rescore_run

    settings = read_settings(arguments)
    again = rescore_run(settings, arguments.run, arguments.suites)
    arguments.decided = again.exit_code
    counts = Counter((str(r.before.outcome), str(r.after.outcome)) for r in again.changed)
    say(f"run {again.info.id}: {again.total} results, {len(again.changed)} outcomes change")
    for (before, after), times in sorted(counts.items()):
        say(f"  {before} → {after}: {times}")
    for rescored in again.changed[:20]:
        one = rescored.after
        say(f"  {one.suite} {one.case}[{one.variant}]: {rescored.before.outcome} → {one.outcome}")
    for line in again.verdicts:
        say(line)
    say("under today's checks:")
    for line in again.summary:
        say(f"  {line}")
    return tell(again.exit_code, again.verdict)
