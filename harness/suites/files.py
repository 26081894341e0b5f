"""Which files hold suites, below the files and folders that were named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import InputError, Problem, nearest

SUFFIXES = (".yaml", ".yml")


def suite_files(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """The named files, and all YAML files below the named folders, sorted; each file once.

    Raises InputError for all names that lead to no suite.
    """
    found: dict[Path, None] = {}
    problems = []
    for path in map(Path, paths):
        files = _below(path)
        found.update(dict.fromkeys(files))
        problems += [] if files else [_nothing(path)]
    if problems:
        raise InputError(*problems)
    return tuple(found)


def yaml_below(folder: Path) -> list[Path]:
    """All YAML files in a folder and below it, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and p.is_file())


def not_there(path: Path) -> Problem:
    """A path that leads nowhere, and what beside it was probably meant."""
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, siblings)
    beside = (path.parent / close).as_posix() if close else ""
    return Problem(f"no such file or folder: {path.as_posix()}", did_you_mean=beside)


def _below(path: Path) -> list[Path]:
    if path.is_dir():
        return yaml_below(path)
    return [path] if path.exists() else []


def _nothing(path: Path) -> Problem:
    if path.is_dir():
        return Problem(f"no suite below {path.as_posix()}", wanted="a .yaml or .yml file")
    return not_there(path)
