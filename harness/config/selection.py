"""Which suite files take part: one rule for `pytest` and for `harness run`.

A YAML file is a suite when it lies under one of the configured `suites`, or when the command line
names it or the folder it lies in. So `pytest suites/` runs what is configured below `suites/`, and
`pytest suites/instruct` runs a folder that is not configured, by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.common import InputError, Problem
from harness.config.settings import Settings, where_to_set

if TYPE_CHECKING:  # the room of suites is loaded when one is looked for: `--help` needs none
    from harness.suites import Suite


def is_suite(path: Path, named: Sequence[Path], settings: Settings) -> bool:
    """Return whether this file is collected, when the command line names `named`."""
    from harness.suites import SUFFIXES

    if path.suffix not in SUFFIXES:
        return False
    path = path.resolve()
    if any(path == name.resolve() or path.parent == name.resolve() for name in named):
        return True
    return any(path.is_relative_to(settings.path(folder).resolve()) for folder in settings.suites)


def load_selected(
    named: Sequence[str], settings: Settings, *, beside: Sequence[Suite] = ()
) -> tuple[Suite, ...]:
    """Load the suites that the command line means; `beside` are loaded already."""
    from harness.suites import load_suites

    files = select_files(named, settings)
    return load_suites(files, beside=beside, modules=settings.modules)


def select_files(named: Sequence[str], settings: Settings) -> tuple[Path, ...]:
    """Return the suite files that the command line means; without a name, those configured."""
    from harness.suites import SUFFIXES, not_there, yaml_below

    starts = [Path(name) for name in named] or [settings.path(name) for name in settings.suites]
    if not starts:
        configure = where_to_set(settings, 'suites = ["suites"]')
        raise InputError(
            Problem(
                "no suite given",
                hint=f"name a file or folder, or set {configure}",
            )
        )
    missing = [start for start in starts if not start.exists()]
    if missing:
        raise InputError(*map(not_there, missing))
    others = [start for start in starts if start.is_file() and start.suffix not in SUFFIXES]
    if others:
        wanted = "a .yaml or .yml file"
        raise InputError(
            *(Problem("not a suite file", path.as_posix(), expected=wanted) for path in others)
        )
    files: list[Path] = []
    for start in starts:
        below = [start] if start.is_file() else yaml_below(start)
        files += (path for path in below if path == start or is_suite(path, starts, settings))
    if not files:
        raise InputError(
            Problem(
                f"no suite in {', '.join(map(str, starts))}",
                expected="a .yaml file in that folder, or below it and configured",
                hint="name the folder that holds the suites",
            )
        )
    return tuple(dict.fromkeys(files))
