"""`harness runs` and `harness rescore`: what earlier runs left in the store."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.cli.parser import add_settings, columns, count, new_command, say
from harness.cli.running import named_run, read_settings, tell
from harness.common import InputError, Problem

_COLUMNS = (
    *("run", "label", "verdict", "took", "answers"),
    *("engine", "model", "variants", "suites"),
)


def add_commands(commands: Any) -> None:
    """Register both commands."""
    runs = new_command(
        commands,
        "runs",
        "list the runs of the store, or label one",
        "runs --most 5",
        "runs --labelled 'nightly*'",
        "runs latest --label 'before the new tokenizer' --note 'see ticket 81'",
        "runs 20261121-1033 --label ''        take the label back",
    )
    runs.add_argument("run", nargs="?", metavar="RUN", help="this run alone: id, or latest")
    runs.add_argument("--most", type=count, default=20, metavar="N", help="newest N (default: 20)")
    runs.add_argument(
        "--labelled", metavar="GLOB", help="those alone whose label is so: 'nightly*'"
    )
    runs.add_argument("--label", metavar="TEXT", help="a short name of RUN; empty: none")
    runs.add_argument("--note", metavar="TEXT", help="what to know of RUN; empty: nothing")
    runs.add_argument("--json", action="store_true", help="print one JSON object a line")
    add_settings(runs, only=("store",))
    runs.set_defaults(act=runs_command)
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
    from harness.store import Remark, count_results, existing_store, remarks, say_of

    settings = read_settings(arguments)
    # Not those of Settings, which name the run that begins.
    label_said, note_said = arguments.label, arguments.note
    if arguments.run is None and (label_said, note_said) != (None, None):
        hint = (
            f"name it: {arguments.parser.prog} latest --label TEXT; "
            "those that have a label: --labelled TEXT"
        )
        raise InputError(Problem("which run is meant?", expected="RUN", hint=hint))
    rows = [_COLUMNS]
    with existing_store(settings.path(settings.store)) as store:
        wanted = arguments.labelled
        if arguments.run is None:
            before = remarks(store)
            infos = [
                info
                for info in store.runs()
                if wanted is None or fnmatchcase(before.get(info.id, Remark()).label, wanted)
            ][: arguments.most]
        else:
            infos = [named_run(store, arguments.run)]
            say_of(store, infos[0].id, label=label_said, note=note_said)
        said = remarks(store)
        for info in infos:
            remark = said.get(info.id, Remark())
            models = dict.fromkeys(Path(variant.model).name or "–" for variant in info.variants)
            verdict = kept_verdict(store, info.id) if info.finished else None
            ended = ("not finished", "–", plural(count_results(store, info.id), "result"))
            if info.finished:
                answers = f"{info.generated} new, {info.cached} stored"
                ended = (label(verdict), duration(info.seconds), answers)
            if arguments.json:
                row = {
                    "run": info.id,
                    "label": remark.label,
                    "note": remark.note,
                    "started": info.started,
                    "finished": info.finished,
                    "verdict": verdict,
                    "seconds": info.seconds,
                    "engine": info.backend,
                    "models": list(models),
                    "variants": [variant.name for variant in info.variants],
                    "suites": [suite.name for suite in info.suites],
                    "partial": [suite.name for suite in info.suites if suite.partial],
                }
                say(json.dumps(row))
                continue
            variants = ", ".join(variant.name for variant in info.variants)
            # A part of a suite has a mark: its run says nothing of the whole.
            suites = ", ".join(f"{s.name}{' (part)' if s.partial else ''}" for s in info.suites)
            which = (info.backend, ", ".join(models), variants, suites)
            rows.append((info.id, remark.label or "–", *ended, *which))
    if arguments.json:
        return 0
    for line in columns(rows):
        say(line)
    if arguments.run is not None and (note := said.get(infos[0].id, Remark()).note):
        say(f"note: {note}")
    return 0


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
