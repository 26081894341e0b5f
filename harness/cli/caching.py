"""`harness cache`: look into the store, prune it, verify and repair it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.parser import add_settings, count
from harness.cli.running import read_settings

KEPT_RUNS = 50


def add_commands(commands: Any) -> None:
    """Register the command with its three acts."""
    cache = commands.add_parser("cache", help="show, prune, verify the store", allow_abbrev=False)
    cache.add_argument("what", nargs="?", default="show", choices=("show", "prune", "verify"))
    cache.add_argument(
        "--keep", type=count, default=KEPT_RUNS, metavar="N", help="prune: runs to keep (50)"
    )
    cache.add_argument(
        "--repair", action="store_true", help="verify: save what is whole into a new file"
    )
    add_settings(cache)
    cache.set_defaults(act=cache_command)


def cache_command(arguments: argparse.Namespace) -> int:
    """Do what was asked; exit code 3 where the store is damaged."""
    settings = read_settings(arguments)
    path = settings.path(settings.store)
    if arguments.what == "prune":
        return _prune(path, arguments.keep)
    if arguments.what == "verify":
        return _repair(path) if arguments.repair else _verify(path)
    return _show(path)


def _show(path: Path) -> int:
    from harness.runner import existing_store, stats

    with existing_store(path) as store:
        held = stats(store)
    print(f"{held.path}: {_size(held.bytes)}")
    print(f"  {held.answers:,} answers, {held.runs:,} runs, {held.results:,} results")
    for share in held.shares:
        name = f"{share.model} + {share.adapter}" if share.adapter else share.model
        print(f"  {share.answers:,} answers, {_size(share.bytes)}: {name}")
    return 0


def _prune(path: Path, keep: int) -> int:
    from harness.runner import existing_store, prune

    with existing_store(path) as store:
        gone = prune(store, keep)
    print(f"{gone.runs:,} runs and {gone.answers:,} answers removed, {_size(gone.bytes)} freed")
    return 0


def _verify(path: Path) -> int:
    from harness.runner import verify

    found = verify(path)
    if not found.faults:
        print(f"{path}: {found.rows:,} rows, all as they were written")
        return 0
    print(f"{path}: damaged; {found.rows:,} rows are whole")
    for fault in found.faults:
        print(f"  {fault}")
    print("mend: harness cache verify --repair")
    return 3


def _repair(path: Path) -> int:
    from harness.runner import repair

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
