"""`harness cache`: look into the store, prune it, verify and repair it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.parser import add_settings, count, new_command
from harness.cli.running import read_settings
from harness.common import InputError, Problem

KEPT_RUNS = 50


def add_commands(commands: Any) -> None:
    """Register the command with its three acts."""
    cache = new_command(
        commands,
        "cache",
        "show, prune, verify the store",
        "cache",
        "cache prune --keep 20 --dry-run",
        "cache verify --repair",
    )
    cache.add_argument("what", nargs="?", default="show", choices=("show", "prune", "verify"))
    cache.add_argument(
        "--keep", type=count, default=KEPT_RUNS, metavar="N", help="prune: runs to keep (50)"
    )
    cache.add_argument(
        "--repair", action="store_true", help="verify: save what is whole into a new file"
    )
    cache.add_argument("--dry-run", action="store_true", help="prune: only say what would go")
    add_settings(cache, only=("store",))
    cache.set_defaults(act=cache_command)


def cache_command(arguments: argparse.Namespace) -> int:
    """Do what was asked; exit code 3 where the store is damaged."""
    settings = read_settings(arguments)
    path = settings.path(settings.store)
    for option, what in (("repair", "verify"), ("dry_run", "prune")):
        if getattr(arguments, option) and arguments.what != what:
            raise InputError(_astray(option.replace("_", "-"), what))
    if arguments.what == "prune":
        return _prune(path, arguments.keep, dry_run=arguments.dry_run)
    if arguments.what == "verify":
        return _repair(path) if arguments.repair else _verify(path)
    return _show(path)


def _show(path: Path) -> int:
    from harness.store import existing_store, stats

    with existing_store(path) as store:
        held = stats(store)
    print(f"{held.path}: {_size(held.bytes)}")
    print(f"  {held.answers:,} answers, {held.runs:,} runs, {held.results:,} results")
    for share in held.shares:
        name = f"{share.model} + {share.adapter}" if share.adapter else share.model
        print(f"  {share.answers:,} answers, {_size(share.bytes)}: {name}")
    return 0


def _astray(option: str, what: str) -> Problem:
    return Problem(
        f"--{option} goes with `{what}`", did_you_mean=f"harness cache {what} --{option}"
    )


def _prune(path: Path, keep: int, *, dry_run: bool) -> int:
    from harness.common import plural
    from harness.store import existing_store, prune

    with existing_store(path) as store:
        gone = prune(store, keep, dry_run=dry_run)
    what = f"{plural(gone.runs, 'run')} and {plural(gone.answers, 'answer')}"
    print(f"{what} would go" if dry_run else f"{what} removed, {_size(gone.bytes)} freed")
    return 0


def _verify(path: Path) -> int:
    from harness.store import verify

    found = verify(path)
    if not found.faults:
        print(f"{path}: {found.rows:,} rows, all as they were written")
        return 0
    print(f"{path}: damaged; {found.rows:,} rows are whole")
    for fault in found.faults:
        print(f"  {fault}")
    print("hint: harness cache verify --repair")
    return 3


def _repair(path: Path) -> int:
    from harness.store import repair

    done = repair(path)
    for table, rows in done.kept.items():
        print(f"  {table}: {rows:,} kept, {done.lost.get(table, 0):,} lost")
    print(f"{path} is whole again; the damaged file is {done.damaged}")
    return 0


def _size(count: int) -> str:
    """Bytes in the unit that a person would use."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
