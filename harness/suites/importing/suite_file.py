"""An imported suite on its way to the disk: a suite file, and data files beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import InputError, Problem
from harness.suites.load import load_suite
from harness.suites.values import Suite


@dataclass(frozen=True)
class Rows:
    """Cases of one shape: `case` is the template, `rows` what it is filled with.

    `suffix` tells the data files of a suite apart; it is empty where there is one.
    """

    case: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    suffix: str = ""


@dataclass(frozen=True)
class Imported:
    """What a foreign file holds, as a suite: keys of the suite file, and the rows of its cases.

    `left_out`: what is wrong with the rows that make no case.
    """

    category: str
    description: str
    families: tuple[Rows, ...]
    sampling: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0})
    left_out: tuple[Problem, ...] = ()


def write_suite(imported: Imported, path: Path, *, overwrite: bool = False) -> Suite:
    """Write `path` and its data files, and load them. Raises InputError where one exists."""
    texts = dict(_files(imported, path))
    if not overwrite:
        _free(texts)
    for file, text in texts.items():
        _write(file, text)
    return load_suite(path)


def _files(imported: Imported, path: Path) -> Iterator[tuple[Path, str]]:
    """Data files first: the suite file is there when all it needs is there."""
    entries = []
    for family in imported.families:
        data = path.with_name(f"{path.stem}{family.suffix}.jsonl")
        entries.append({"path": data.name, "case": dict(family.case)})
        yield data, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in family.rows)
    keys = {
        "suite": path.stem,
        "category": imported.category,
        "description": imported.description,
        "defaults": {"sampling": dict(imported.sampling)},
        "gate": {"policy": "no_regression"},
        "from_file": entries,
    }
    yield path, yaml.safe_dump(keys, sort_keys=False, allow_unicode=True, width=100)


def _free(paths: Iterable[Path]) -> None:
    taken = [path for path in paths if path.exists()]
    if taken:
        mend = "choose another name with --out, or write over it with --force"
        raise InputError(*(Problem("the file exists", p.as_posix(), mend=mend) for p in taken))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(Problem(f"cannot be written: {error.strerror}", path.as_posix())) from None
