"""`harness fix` and `harness rollback`: from a failing run to an adapter in use, and back."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.parser import add_gpus, add_settings, count, new_command, say
from harness.cli.running import read_settings, typed_path

if TYPE_CHECKING:
    from harness.config import Settings

NOTHING_FAILED = "nothing to repair: no candidate of this run failed"
CURRENT = ".harness/adapters/current"
# Options of the settings that the failing run has answered already.
_FROM_THE_RUN = ("model", "adapter", "variant", "baseline", "reference", "responses", "aa")


FIX = """\
Takes what failed in a run: makes training rows without touching the cases that gate, trains a LoRA
adapter on the run's base model, lets it answer beside what it would replace, and puts it in use
only if the failing suites are repaired and no other has become worse (docs/repair.md). A suite says
under `fix:` what repairs it. The same command goes on where a repair was interrupted.
Exit code 0: promoted, or nothing failed; 1: rejected, with the reasons."""
ROLLBACK = """\
Lets the link to the adapter in use point to another adapter of its history. Adapters themselves are
never changed. Exit code 0: done; 2: there is nothing to go back to."""


def add_commands(commands: Any) -> None:
    """Register both commands."""
    fix = new_command(
        commands,
        "fix",
        "repair a failing run: rows, training, gate, promotion",
        "fix --dry-run                     what would be done, and the first rows",
        "fix latest                        repair what failed in the newest run that finished",
        "fix latest --bad-cases bad.jsonl  with prompts and bad answers from production",
        about=FIX,
    )
    fix.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    fix.add_argument(
        "--suite",
        action="append",
        default=[],
        metavar="NAME",
        help="repair only this failing suite",
    )
    fix.add_argument("--candidate", metavar="NAME", help="which candidate of the run is repaired")
    fix.add_argument("--rounds", type=count, metavar="N", help="most rounds (default: fix.rounds)")
    fix.add_argument(
        "--method",
        choices=("sft", "dpo", "grpo", "auto"),
        help="learn from right answers, pairs, or rewards; auto: the cheapest first "
        "(default: fix.method)",
    )
    fix.add_argument("--bad-cases", metavar="FILE", help="prompts and bad answers from production")
    fix.add_argument(
        "--paraphrases", type=count, default=0, metavar="N", help="rewordings of each: 3 to 5"
    )
    fix.add_argument("--dry-run", action="store_true", help="show the plan and the first rows")
    add_gpus(fix)
    _add_current(fix)
    add_settings(fix, without=(*_FROM_THE_RUN, "early_stop"))
    fix.set_defaults(act=fix_command)
    back = new_command(
        commands,
        "rollback",
        "take the adapter in use back",
        "rollback              the one that was in use before",
        "rollback --to base    none at all",
        "rollback --list       what was in use when",
        about=ROLLBACK,
    )
    back.add_argument("--to", metavar="NAME", help="an adapter of the history, or base")
    back.add_argument("--list", action="store_true", help="show the history")
    _add_current(back)
    add_settings(back, only=())
    back.set_defaults(act=rollback_command)


def _add_current(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--current",
        metavar="PATH",
        help=f"the link to the adapter in use (default: {CURRENT})",
    )


def fix_command(arguments: argparse.Namespace) -> int:
    """Repair a run; 0 promoted or nothing to repair, 1 rejected."""
    from harness.common.console import Terminal
    from harness.reports import Progress
    from harness.training.repair import (
        FixOptions,
        Watchers,
        dry_run,
        fix,
        print_plan,
        print_report,
        write_report,
    )
    from harness.training.sft import TrainingProgress

    settings = read_settings(arguments)
    bad_cases = typed_path(settings, arguments.bad_cases) if arguments.bad_cases else None
    options = FixOptions(
        run=arguments.run,
        suites=tuple(arguments.suite),
        variant=arguments.candidate,
        rounds=arguments.rounds,
        method=arguments.method,
        bad_cases=bad_cases,
        paraphrases=arguments.paraphrases,
        gpus=arguments.gpus,
        hosts=arguments.hosts,
        main_address=arguments.main_address,
        current=_current(arguments, settings),
    )
    if arguments.dry_run:
        plan = dry_run(settings, options)
        if plan is None:
            say(NOTHING_FAILED)
        else:
            print_plan(Terminal(), plan)
        return 0
    errors = Terminal(stderr=True)
    answers = _Display(lambda: Progress(errors))
    training = _Display(lambda: TrainingProgress(errors))

    def pause_and_say(text: str) -> None:
        answers.close()
        training.close()
        errors.print(text, markup=False, highlight=False)

    try:
        report = fix(settings, options, say=pause_and_say, watchers=Watchers(answers, training))
    finally:
        answers.close()
        training.close()
    if report is None:
        say(NOTHING_FAILED)
        return 0
    print_report(Terminal(), report, write_report(settings, report))
    return report.exit_code


def rollback_command(arguments: argparse.Namespace) -> int:
    """Let `current` point to an earlier adapter."""
    from harness.training.repair import AdapterPlace, rollback, shown

    settings = read_settings(arguments)
    place = AdapterPlace(settings.path(_current(arguments, settings)))
    if arguments.list:
        for change in place.changes():
            say(f"{change.time}  {change.action:9}{shown(change.was)} → {shown(change.adapter)}")
        say(f"in use: {shown(place.adapter())}")
        return 0
    change = rollback(place, arguments.to)
    say(f"in use: {shown(change.adapter)} (before: {shown(change.was)})")
    return 0


def _current(arguments: argparse.Namespace, settings: Settings) -> Path:
    """Return the link that was typed; else the project's."""
    return typed_path(settings, arguments.current) if arguments.current else Path(CURRENT)


class _Display:
    """A bar that is there while its stage runs: a terminal shows one at a time."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._shown: Any = None

    def __call__(self, event: object) -> None:
        if self._shown is None:
            self._shown = self._make()
            self._shown.__enter__()
        self._shown(event)

    def close(self) -> None:
        """Take it away; the next event brings a new one."""
        if self._shown is not None:
            self._shown.__exit__(None, None, None)
            self._shown = None
