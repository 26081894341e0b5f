"""Which items of a candidate and a baseline may be compared, and what became of the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.gate.ledger import Item, Items
from harness.gate.paired_tests import Floats, Ints

FINEST_GRID = 1_000  # least common multiple of repeat counts that is still tested exactly
LONGEST_SHOWN = 40  # of a field that differs: a chat template's hash need not be whole
CHANGED = 1e-9  # a smaller change of a share or a score is rounding

Environments = tuple[Mapping[str, str], Mapping[str, str]]
UNKNOWN: Environments = ({}, {})


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of one suite and variant, by case id.

    `changes` are candidate − baseline, `groups` number the clusters from 0. All changes are
    multiples of 1/`grid` (None for scores). `binary`: every side is 0 or 1. `differing` counts the
    pairs that were refused, or taken all the same (`insisted`), by what differs.
    """

    cases: tuple[str, ...]
    changes: Floats
    groups: Ints
    clusters: int
    binary: bool
    grid: int | None
    differing: tuple[tuple[str, int], ...] = ()
    insisted: bool = False
    left_out: int = 0
    only_baseline: int = 0
    only_candidate: int = 0

    @property
    def clustered(self) -> bool:
        """Some cluster holds more than one pair."""
        return self.clusters < len(self.cases)

    @property
    def refused(self) -> int:
        """Pairs that were not compared as they are not alike."""
        return 0 if self.insisted else sum(count for _, count in self.differing)

    @property
    def unlike(self) -> tuple[str, ...]:
        """In what the refused pairs differ, the most frequent first."""
        return () if self.insisted else tuple(what for what, _ in self.differing)

    def changed(self, direction: Literal[-1, 1]) -> tuple[str, ...]:
        """The cases that fell (-1) or rose (1), the largest change first."""
        sizes = self.changes * direction
        order = sorted(np.flatnonzero(sizes > CHANGED), key=lambda i: (-sizes[i], self.cases[i]))
        return tuple(self.cases[i] for i in order)


def make_pairs(
    candidate: Items,
    baseline: Items,
    *,
    on: Literal["passed", "score"],
    insist: bool,
    environments: Environments = UNKNOWN,
) -> Pairs:
    """Pair the cases that both sides have, were asked the same and were answered and judged.

    `environments` are the fields of baseline and candidate, to say which of them differ.
    """
    both = sorted(candidate.keys() & baseline.keys())
    found = {c: differences(baseline[c], candidate[c], environments) for c in both}
    unlike = {case: what for case, what in found.items() if what}
    comparable = both if insist else [case for case in both if case not in unlike]
    tested = [c for c in comparable if candidate[c].testable and baseline[c].testable]
    values = [(_value(candidate[case], on), _value(baseline[case], on)) for case in tested]
    groups = groups_of([candidate[case] for case in tested])
    return Pairs(
        cases=tuple(tested),
        changes=np.array([new - old for new, old in values], dtype=np.float64),
        groups=groups,
        clusters=int(groups.max()) + 1 if tested else 0,
        binary=all(value in (0.0, 1.0) for pair in values for value in pair),
        grid=_grid([items[c] for items in (candidate, baseline) for c in tested], on),
        differing=tuple(Counter(unlike.values()).most_common()),
        insisted=insist,
        left_out=len(comparable) - len(tested),
        only_baseline=len(baseline) - len(both),
        only_candidate=len(candidate) - len(both),
    )


def differences(baseline: Item, candidate: Item, environments: Environments) -> str:
    """What keeps two items from being compared, in plain words; empty where nothing does."""
    found = []
    if baseline.asked != candidate.asked:
        found.append("the case itself (its messages or checks)")
    old, new = _parts(baseline.environments), _parts(candidate.environments)
    if old[0] != new[0]:
        found.append(environment_change(old[0], new[0], environments))
    if old[1] != new[1]:
        found.append("the suite's sampling")
    if old[2] != new[2]:
        found.append("how it was scored (the judge, or the reasoning tags)")
    return " and ".join(found)


def environment_change(before: str, after: str, environments: Environments) -> str:
    """Two environments that differ, in plain words: the fields where they are known."""
    return f"the environment ({_changes(before, after, environments)})"


def _parts(signatures: Sequence[str]) -> tuple[str, str, str]:
    """The parts of the signatures `environment-sampling-scoring`; all of each where they differ."""
    split = [(*signature.split("-", 2), "", "")[:3] for signature in signatures]
    mixed = [" + ".join(sorted({parts[place] for parts in split})) for place in range(3)]
    return mixed[0], mixed[1], mixed[2]


def _changes(before: str, after: str, environments: Environments) -> str:
    """The fields that differ, where they are known, else the two signatures."""
    old, new = environments
    fields = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if not fields:
        return f"{_shown(before)} → {_shown(after)}"
    return ", ".join(f"{key} {_shown(old.get(key))} → {_shown(new.get(key))}" for key in fields)


def _shown(value: str | None) -> str:
    return (value or "none")[:LONGEST_SHOWN]


def _value(item: Item, on: Literal["passed", "score"]) -> float:
    return item.mean_score if on == "score" else item.share


def groups_of(items: Sequence[Item]) -> Ints:
    """Each item's cluster, numbered in order of appearance; a case without one stands alone."""
    numbers: dict[tuple[str, str], int] = {}
    keys = (("", i.case) if i.cluster is None else ("cluster", i.cluster) for i in items)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _grid(items: Iterable[Item], on: Literal["passed", "score"]) -> int | None:
    if on == "score":
        return None
    grid = math.lcm(*{item.passes + item.fails for item in items})
    return grid if grid <= FINEST_GRID else None
