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


def _below(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.exists() else []
    return sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())


def _nothing(path: Path) -> Problem:
    if path.is_dir():
        return Problem(f"no suite below {path.as_posix()}", wanted="a .yaml or .yml file")
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, siblings)
    beside = (path.parent / close).as_posix() if close else ""
    return Problem(f"no such file or folder: {path.as_posix()}", did_you_mean=beside)
