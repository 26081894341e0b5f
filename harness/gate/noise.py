"""The noise floor: how often the same model disagrees with itself.

It informs: no decision uses it, and no flaky case is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.gate.pairs import Item, Items, collect
from harness.gate.statistics import wilson
from harness.results import NoiseFloor, Result


def noise_floor(first: Iterable[Result], second: Iterable[Result]) -> tuple[NoiseFloor, ...]:
    """The noise of each suite and variant that both runs have, by name."""
    once, again = collect(first), collect(second)
    both = sorted(once.items.keys() & again.items.keys())
    return tuple(_floor(*key, once.items[key], again.items[key]) for key in both)


def _floor(suite: str, variant: str, once: Items, again: Items) -> NoiseFloor:
    cases = sorted(c for c in once.keys() & again.keys() if _tested(once[c], again[c]))
    flips = {case: _flip_chance(once[case].share, again[case].share) for case in cases}
    low, high = wilson(sum(flips.values()), len(cases))
    return NoiseFloor(
        suite=suite,
        variant=variant,
        pairs=len(cases),
        flip_rate=sum(flips.values()) / len(cases) if cases else 0.0,
        low=low,
        high=high,
        flaky=tuple(case for case in cases if flips[case] > 0),
        left_out=len(once.keys() | again.keys()) - len(cases),
    )


def _tested(once: Item, again: Item) -> bool:
    return once.testable and again.testable and once.asked == again.asked


def _flip_chance(once: float, again: float) -> float:
    return once * (1 - again) + again * (1 - once)
