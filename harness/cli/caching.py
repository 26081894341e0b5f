"""`harness cache`: look into the store, prune it, verify and repair it, split and join it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from harness.cli.parser import add_settings, count, new_command, say
from harness.cli.running import read_settings, typed_path
from harness.common import InputError, Problem, plural

if TYPE_CHECKING:
    from harness.store import Part, Stats

KEPT_RUNS = 50


def add_commands(commands: Any) -> None:
    """Register the command with its acts."""
    cache = new_command(
        commands,
        "cache",
        "show, prune, verify, split, join the store",
        "cache",
        "cache prune --keep 20 --dry-run",
        "cache verify --repair",
        "cache split --into nights/       one store for each night; this one stays",
        "cache join nights/*.db --store joined.db",
    )
    acts = ("show", "prune", "verify", "split", "join")
    cache.add_argument("what", nargs="?", default="show", choices=acts)
    cache.add_argument("files", nargs="*", metavar="FILE", help="join: stores, oldest first")
    cache.add_argument("--into", metavar="DIR", help="split: the folder of the parts")
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
    from harness.store import (
        existing_store,
        join_stores,
        prune,
        repair,
        split_by_night,
        stats,
        verify,
    )

    settings = read_settings(arguments)
    path = settings.path(settings.store)
    for name, act in (("repair", "verify"), ("dry-run", "prune"), ("into", "split")):
        if getattr(arguments, name.replace("-", "_")) and arguments.what != act:
            meant = f"harness cache {act} --{name}"
            raise InputError(Problem(f"--{name} goes with `{act}`", did_you_mean=meant))

    if arguments.files and arguments.what != "join":
        raise InputError(
            Problem(f"`{arguments.what}` takes no files", found=" ".join(arguments.files))
        )
    if arguments.what == "split":
        if not arguments.into:
            hint = "harness cache split --into nights/"
            raise InputError(Problem("split: no folder for the parts", hint=hint))
        for part in split_by_night(path, typed_path(settings, arguments.into)):
            say(f"{part.path}: {_content(part)}")
        return 0
    if arguments.what == "join":
        if not arguments.files:
            hint = "harness cache join nights/*.db --store joined.db"
            raise InputError(Problem("join: no store to join", hint=hint))
        whole = join_stores([typed_path(settings, text) for text in arguments.files], path)
        say(f"{whole.path}: {_content(whole)}")
        return 0

    if arguments.what == "prune":
        with existing_store(path) as store:
            gone = prune(store, arguments.keep, dry_run=arguments.dry_run)
        what = f"{plural(gone.runs, 'run')} and {plural(gone.answers, 'answer')}"
        freed = f"{what} removed, {_size(gone.bytes)} freed"
        say(f"{what} would go" if arguments.dry_run else freed)
        return 0

    if arguments.what == "verify" and arguments.repair:
        done = repair(path)
        for table, rows in done.kept.items():
            say(f"  {table}: {rows:,} kept, {done.lost.get(table, 0):,} lost")
        say(f"{path} is whole again; the damaged file is {done.damaged}")
        return 0

    if arguments.what == "verify":
        found = verify(path)
        if not found.faults:
            say(f"{path}: {found.rows:,} rows, all as they were written")
            return 0
        say(f"{path}: damaged; {found.rows:,} rows are whole")
        for fault in found.faults:
            say(f"  {fault}")
        say("hint: harness cache verify --repair")
        return 3

    with existing_store(path) as store:
        held = stats(store)
    say(f"{held.path}: {_size(held.bytes)}")
    say(f"  {_content(held)}")
    for share in held.shares:
        model = f"{share.model} + {share.adapter}" if share.adapter else share.model
        say(f"  {plural(share.answers, 'answer')}, {_size(share.bytes)}: {model}")
    return 0


def _content(held: Part | Stats) -> str:
    counts = {"answer": held.answers, "run": held.runs, "result": held.results}
    return ", ".join(plural(count, noun) for noun, count in counts.items())


def _size(count: int) -> str:
    """Bytes in the unit that a person would use."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
