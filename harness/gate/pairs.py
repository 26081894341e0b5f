"""Which items of a candidate and a baseline may be compared, and what became of the others."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.gate.ledger import Item, Items
from harness.gate.paired_tests import Floats, Ints

FINEST_GRID = 1_000  # least common multiple of repeat counts that is still tested exactly
CHANGED = 1e-9  # a smaller change of a share or a score is rounding


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

    def changed(self, direction: Literal[-1, 1]) -> tuple[str, ...]:
        """The cases that fell (-1) or rose (1), the largest change first."""
        sizes = self.changes * direction
        order = sorted(np.flatnonzero(sizes > CHANGED), key=lambda i: (-sizes[i], self.cases[i]))
        return tuple(self.cases[i] for i in order)


def make_pairs(
    candidate: Items, baseline: Items, *, on: Literal["passed", "score"], insist: bool
) -> Pairs:
    """Pair the cases that both sides have, were asked the same and were answered and judged."""
    both = sorted(candidate.keys() & baseline.keys())
    unlike = {case: what for case in both if (what := differences(baseline[case], candidate[case]))}
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


def differences(baseline: Item, candidate: Item) -> str:
    """What keeps two items from being compared, in plain words; empty where nothing does."""
    found = []
    if baseline.asked != candidate.asked:
        found.append("the case itself (its messages or checks)")
    if baseline.environments != candidate.environments:
        found.append(_environment_change(baseline.environments, candidate.environments))
    return " and ".join(found)


def _environment_change(before: Sequence[str], after: Sequence[str]) -> str:
    """The fields that differ where both signatures are JSON objects, else the signatures."""
    old, new = _fields(before), _fields(after)
    if old is None or new is None:
        return f"the environment ({' + '.join(before)} → {' + '.join(after)})"
    keys = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    changes = (f"{key} {_shown(old.get(key))} → {_shown(new.get(key))}" for key in keys)
    return f"the environment ({', '.join(changes)})"


def _fields(signatures: Sequence[str]) -> dict[str, object] | None:
    if len(signatures) != 1 or not signatures[0].startswith("{"):
        return None
    try:
        loaded = json.loads(signatures[0])
    except ValueError:
        return None
    return loaded if isinstance(loaded, dict) else None


def _shown(value: object) -> str:
    return "none" if value in (None, "") else str(value)


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
