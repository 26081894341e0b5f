"""`harness baseline`: save a run as a file that a team commits, and show what such a file holds."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.parser import add_settings, new_command, say
from harness.cli.running import named_run, read_settings
from harness.common import InputError, Problem
from harness.config import flags

if TYPE_CHECKING:
    from harness.gate import Baseline

_ALL_BUT_STORE = frozenset(name for name, _, _ in flags()) - {"store"}


def add_commands(commands: Any) -> None:
    """Register the command with its two acts."""
    baseline = new_command(
        commands,
        "baseline",
        "save a run as a baseline file, or show one",
        "baseline save baselines/production.json latest --variant new",
        "baseline show baselines/production.json",
        "run suites/ --baseline baselines/production.json",
    )
    acts = baseline.add_subparsers(dest="what", metavar="save|show", required=True)
    save = new_command(
        acts,
        "save",
        "write the results of one variant",
        "baseline save baselines/production.json",
        "baseline save baselines/production.json 20261121-1033 --variant new",
    )
    save.add_argument("file", metavar="FILE.json", help="the file to write; commit it")
    save.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    save.add_argument(
        "--variant",
        dest="saved",
        metavar="NAME",
        help="the variant to save (default: the baseline if it answered in the run, or the only "
        "variant that did)",
    )
    save.add_argument(
        "--with-answers",
        action="store_true",
        help="the answers too, for suites that compare answers (`prefer`)",
    )
    save.add_argument("--force", action="store_true", help="replace a file that is there")
    add_settings(save, without=_ALL_BUT_STORE)
    save.set_defaults(act=save_command)
    shown = "baseline show baselines/production.json"
    show = new_command(acts, "show", "what a baseline file holds", shown)
    show.add_argument("file", metavar="FILE.json", help="a file that `baseline save` wrote")
    add_settings(show, without=_ALL_BUT_STORE)
    show.set_defaults(act=show_command)


def save_command(arguments: argparse.Namespace) -> int:
    """Write a whole, clean run's results; says how to compare against them."""
    from harness.gate import load_baseline, save_baseline
    from harness.store import existing_store

    settings = read_settings(arguments)
    path = Path(arguments.file)
    if path.suffix != ".json":  # --baseline takes all other names for variants
        message, close = "the name of a baseline file must end in .json", f"{path}.json"
        raise InputError(Problem(message, path=arguments.file, did_you_mean=close))
    if path.exists() and not arguments.force:
        hint = (
            "name another file, or replace it with --force; `harness baseline show` says what it is"
        )
        raise InputError(Problem("there is a file of this name", arguments.file, hint=hint))
    with existing_store(settings.path(settings.store)) as store:
        info = named_run(store, arguments.run)
        save_baseline(
            path,
            info,
            store.results(info.id),
            variant=arguments.saved,
            with_answers=arguments.with_answers,
        )
    _print(load_baseline(path))
    say(f"saved: {path}")
    say(f"compare against it: harness run --baseline {shlex.quote(arguments.file)}")
    return 0


def show_command(arguments: argparse.Namespace) -> int:
    """Print what was run, under what, and how often it passed."""
    from harness.gate import load_baseline

    read_settings(arguments)
    _print(load_baseline(Path(arguments.file)))
    return 0


def _print(baseline: Baseline) -> None:
    from harness.common import VariantRole, moment, percent, plural
    from harness.gate import decide

    info, variant = baseline.info, baseline.variant
    say(f"baseline {variant.name}: run {info.id}, {moment(info.started)}")
    say(f"  model {variant.model}" + (f" + {variant.adapter}" if variant.adapter else ""))
    say(f"  weights {variant.weights[:12]}, harness {info.harness_version}")
    fields = ", ".join(f"{key} {text[:40]}" for key, text in variant.environment.items() if text)
    say(f"  environment {fields}")
    roles = {variant.name: VariantRole.REFERENCE}
    for row in decide(baseline.results, baseline.info.suites, roles, None).suites:
        passed = f"{row.rate.passed} of {plural(row.rate.n, 'case')} passed"
        say(f"  {row.suite}: {passed}, {percent(row.rate.pass_rate)}")
