"""`harness show`: one run of the store on the terminal, its verdicts or its cases."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import TYPE_CHECKING, Any

from harness.cli.parser import add_settings, at_least_one, new_command, say
from harness.cli.running import named_run, read_settings, tell
from harness.common import InputError, Problem, nearest, plural
from harness.common.console import Terminal
from harness.config import Settings

if TYPE_CHECKING:
    from harness.results import RunInfo
    from harness.store import Store

MOST = 20  # cases that are printed unless --most says otherwise
SHOW = """\
Without CASE or a filter it prints the verdicts, gated again from what is stored; its exit code is
that of the run. With one it prints cases: what was asked, what each variant answered, which checks
did not hold and why; the exit code is then 0. On a terminal, what is longer than the screen goes
through $PAGER. With --json it prints the scorecard, or one JSON object a line for each case."""


def add_commands(commands: Any) -> None:
    """Register the command."""
    show = new_command(
        commands,
        "show",
        "print one run, or cases of it",
        "show                              the newest run that finished",
        "show 20261121-1033 --worse        the cases that got worse",
        "show latest 'date-*' --variant new --failed",
        "show latest c07 --json | jq .",
        about=SHOW,
    )
    show.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    show.add_argument(
        "cases", nargs="*", metavar="CASE", help="globs on cases' ids, or on SUITE/ID"
    )
    show.add_argument(
        "--variant",
        dest="variants",
        action="append",
        default=[],
        metavar="NAME",
        help="answers of this variant alone",
    )
    show.add_argument("--tag", action="append", default=[], metavar="TAG", help="cases with it")
    which = show.add_mutually_exclusive_group()
    which.add_argument("--failed", action="store_true", help="cases that failed or broke")
    which.add_argument("--worse", action="store_true", help="cases that got worse, by the gate")
    show.add_argument(
        "--most", type=at_least_one, metavar="N", help=f"print N cases (default: {MOST})"
    )
    show.add_argument("--full", action="store_true", help="print long texts whole")
    show.add_argument("--json", action="store_true", help="print JSON")
    add_settings(show, only=("store", "report_dir"))
    show.set_defaults(act=show_command)


def show_command(arguments: argparse.Namespace) -> int:
    """Print a run, gated again from its stored results, or cases of it."""
    from harness.evaluation import reopen
    from harness.reports import print_summary, publish, view_command
    from harness.store import existing_store, remark_of

    settings = read_settings(arguments)
    with existing_store(settings.path(settings.store)) as store:
        found = named_run(store, arguments.run)
        filters = (arguments.cases, arguments.variants, arguments.tag)
        if any(filters) or arguments.failed or arguments.worse or arguments.most:
            return _show_cases(settings, store, found, arguments)
        remark = remark_of(store, found.id)
    report = reopen(settings, found.id)
    arguments.decided = report.exit_code
    if arguments.json:
        say(json.dumps(publish(report.scorecard).to_value(), indent=2))
        return report.exit_code
    for name, text in (("label", remark.label), ("note", remark.note)):
        if text:
            say(f"{name:<6} {text}")
    view = view_command(settings, report.info.id)
    print_summary(Terminal(), report.scorecard, report.paths, view=view)
    return tell(report.exit_code, report.gate.verdict, some=bool(report.gate.verdicts))


def _show_cases(
    settings: Settings, store: Store, info: RunInfo, arguments: argparse.Namespace
) -> int:
    """Print the cases that are asked for; results are read from the store one by one."""
    from harness.reports import print_case
    from harness.results import Outcome, result_to_json
    from harness.suites import Selectable, Selection

    answered = [variant.name for variant in info.answered]
    for name in arguments.variants:
        if name not in answered:
            where = f": its answers are those of {info.source}" if name == info.baseline else ""
            raise InputError(
                Problem(
                    f"variant {name!r} did not answer in run {info.id}{where}",
                    expected=", ".join(answered),
                    did_you_mean=nearest(name, answered),
                )
            )
    wanted = arguments.variants or answered
    known: dict[Selectable, bool] = {}  # whether it failed, for a variant that is shown
    for result in store.results(info.id):
        key = Selectable(result.suite, result.case, result.tags)
        failed = result.variant in wanted and result.outcome in (Outcome.FAIL, Outcome.ERROR)
        known[key] = known.get(key, False) or failed
    if not known:
        asked = sum(suite.selected for suite in info.suites)
        ended = "" if info.finished else "; it did not finish"
        raise InputError(
            Problem(
                f"run {info.id} has no result of its {plural(asked, 'case')} in the store{ended}",
                path=str(store.path),
                hint="run it again: answers that are stored are not asked for twice",
            )
        )
    taken = Selection(tuple(arguments.cases), tuple(arguments.tag)).of(list(known))
    worse = _worse(settings, store, info, wanted) if arguments.worse else {}
    chosen = [
        (key.suite, key.case)
        for key, failed in known.items()
        if (key.suite, key.case) in taken
        and (not arguments.failed or failed)
        and (not arguments.worse or (key.suite, key.case) in worse)
    ]
    most = arguments.most or (len(chosen) if arguments.json else MOST)
    printed = set(chosen[:most])
    console = Terminal()
    paging: AbstractContextManager[Any] = nullcontext()
    if console.file.isatty() and not arguments.json:
        os.environ.setdefault("LESS", "FRX")  # as git does: leave at once what fits, keep colours
        paging = console.pager(styles=not console.no_color)
    ordered = groupby(store.results(info.id), lambda result: (result.suite, result.case))
    with paging:
        for case, everyones in ordered:
            if case not in printed:
                continue
            results = [each for each in everyones if each.variant in wanted]
            if arguments.json:
                row = {
                    "run": info.id,
                    "suite": case[0],
                    "case": case[1],
                    "worse": sorted(worse.get(case, ())),
                    "results": [result_to_json(result) for result in results],
                }
                say(json.dumps(row))
            else:
                print_case(console, results, worse=worse.get(case, ()), full=arguments.full)
        if arguments.json:
            return 0
        kind = "failed" if arguments.failed else "got worse" if arguments.worse else "selected"
        left = f"; {len(chosen) - most:,} more: --most N" if len(chosen) > most else ""
        which = f"{len(printed):,} of " if left else ""
        said = f"run {info.id}: {which}{plural(len(chosen), 'case')} {kind}{left}"
        console.print(said, markup=False, highlight=False)
        if info.source and info.baseline:
            said = f"{info.baseline} answered elsewhere: {info.source}"
            console.print(f"note: {said}", markup=False, highlight=False)
    return 0


def _worse(
    settings: Settings, store: Store, info: RunInfo, variants: Collection[str]
) -> Mapping[tuple[str, str], Collection[str]]:
    """Return the cases that got worse, by suite and id, with the variants that did."""
    from harness.evaluation import decide_run

    gate = decide_run(settings, store, info)
    if info.baseline is None:
        raise InputError(
            Problem(
                f"run {info.id} has no baseline: nothing can have got worse",
                hint="--failed prints what failed; `harness compare` takes two runs",
            )
        )
    found: dict[tuple[str, str], set[str]] = {}
    for row in gate.suites:
        for case in row.got_worse if row.variant in variants else ():
            found.setdefault((row.suite, case), set()).add(row.variant)
    return found
