"""Which suite files take part: one rule for `pytest` and for `harness run`.

A YAML file is a suite when it lies under one of the configured `suites`, or when the command line
names it or the folder it lies in. So `pytest suites/` runs what is configured below `suites/`, and
`pytest suites/instruct` runs a folder that is not configured, by its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import InputError, Problem, nearest
from harness.settings import Settings
from harness.suites import Suite, load_suites

SUFFIXES = (".yaml", ".yml")


def is_suite(path: Path, named: Sequence[Path], settings: Settings) -> bool:
    """Whether this file is collected, when the command line names `named`."""
    if path.suffix not in SUFFIXES:
        return False
    path = path.resolve()
    if any(path == name.resolve() or path.parent == name.resolve() for name in named):
        return True
    return any(path.is_relative_to(settings.path(folder).resolve()) for folder in settings.suites)


def load_selected(
    named: Sequence[str], settings: Settings, *, beside: Sequence[Suite] = ()
) -> tuple[Suite, ...]:
    """The suites that the command line means, loaded; `beside` are loaded already."""
    files = select_files(named, settings)
    return load_suites(files, beside=beside, modules=settings.modules)


def select_files(named: Sequence[str], settings: Settings) -> tuple[Path, ...]:
    """The suite files that the command line means; without a name, those configured."""
    starts = [Path(name) for name in named] or [settings.path(name) for name in settings.suites]
    if not starts:
        raise InputError(
            Problem(
                "no suite given",
                mend='name a file or folder, or set suites = ["suites"] under [tool.harness]',
            )
        )
    missing = [start for start in starts if not start.exists()]
    if missing:
        raise InputError(*map(_missing, missing))
    files = [file for start in starts for file in _below(start, starts, settings)]
    if not files:
        raise InputError(
            Problem(
                f"no suite in {', '.join(map(str, starts))}",
                wanted="a .yaml file in that folder, or below it and configured",
                mend="name the folder that holds the suites",
            )
        )
    return tuple(dict.fromkeys(files))


def _below(start: Path, named: Sequence[Path], settings: Settings) -> list[Path]:
    if start.is_file():
        return [start]
    return [p for p in sorted(start.rglob("*")) if p.is_file() and is_suite(p, named, settings)]


def _missing(path: Path) -> Problem:
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, siblings)
    return Problem(
        f"no such file or folder: {path}",
        did_you_mean=str(path.parent / close) if close else "",
    )
