"""Rows from pools on disk: files of training rows that a suite names under `fix:`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.common import InputError, Problem, shown
from harness.common.reading import inside
from harness.config import Settings
from harness.suites import Suite
from harness.training.rows import RowFile, parse_spec, read_rows
from harness.training.sources.values import Harvest, counted
from harness.training.values import TrainingRow


def pool_file(settings: Settings, suite: Suite, name: str, *, replay: bool = False) -> RowFile:
    """Return the pool that a suite names, beside the suite file.

    Raise InputError where it lies outside of the project: a suite may come from somebody else.
    """
    file = parse_spec(name)
    path = Path(suite.path).parent / file.path
    root = settings.root.resolve()
    parts = {"expected": f"a file below {root}", "hint": "copy it into the project"}
    try:
        whole = inside(root, path, f"pool {shown(name)}", "the project", **parts)
    except InputError as error:
        raise InputError(*(replace(one, path=suite.path) for one in error.problems)) from None
    here = Path.cwd()
    # As people write it: from here, where it lies below.
    short = whole.relative_to(here) if whole.is_relative_to(here) else whole
    return replace(file, path=short, replay=replay)


def read_pools(files: Sequence[RowFile], *, most: int, seed: str) -> tuple[Harvest, ...]:
    """Draw at most `most` rows together, drawn evenly from the files.

    Raise InputError for all rows that are wrong, as those rendered in another model's template.
    """
    read = read_each(files, seed)
    shares = fair_shares([len(rows) for rows in read], most)
    harvests = []
    for file, rows, share in zip(files, read, shares, strict=True):
        some = drawn(rows, share, f"{seed}/{file.path.name}")
        left = counted(["more than the fix takes"] * (len(rows) - len(some)))
        harvests.append(Harvest(f"pool {file.path.as_posix()}", len(rows), some, left))
    return tuple(harvests)


def read_each(files: Sequence[RowFile], seed: str) -> list[tuple[TrainingRow, ...]]:
    """Return the rows of every file; what is wrong in all of them is raised at once."""
    found: list[tuple[TrainingRow, ...]] = []
    problems: list[Problem] = []
    for file in files:
        try:
            found.append(read_rows([file], random.Random(seed).randrange(2**31)))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return found


def drawn(rows: Sequence[TrainingRow], count: int, seed: str) -> tuple[TrainingRow, ...]:
    """Return so many of the rows, in their order, drawn by the seed."""
    if count >= len(rows):
        return tuple(rows)
    places = sorted(random.Random(f"fix/{seed}").sample(range(len(rows)), count))
    return tuple(rows[at] for at in places)


def fair_shares(sizes: Sequence[int], most: int) -> list[int]:
    """Return how many to take of each so that all give the same, as far as they have it."""
    shares = [0] * len(sizes)
    left = min(most, sum(sizes))
    while left:
        open_ones = [at for at, size in enumerate(sizes) if shares[at] < size]
        each, more = divmod(left, len(open_ones))
        for place, at in enumerate(open_ones):
            taken = min(sizes[at] - shares[at], each + (place < more))
            shares[at] += taken
            left -= taken
    return shares
