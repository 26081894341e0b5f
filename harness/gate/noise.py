"""The noise floor: how often the same model disagrees with itself.

It informs: no decision uses it, and no flaky case is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.gate.pairs import Item, Items, collect
from harness.gate.statistics import wilson
from harness.results import Result


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """One suite and variant, generated twice (A/A).

    `flip_rate` is the chance that two answers to one case, one of each run, are judged
    differently, with a 95 % interval. `flaky` names the cases that neither always pass nor always
    fail. `left_out` counts cases that one run lacks or that hold an error or a skip.
    """

    suite: str
    variant: str
    pairs: int
    flip_rate: float
    low: float
    high: float
    flaky: tuple[str, ...]
    left_out: int

    @property
    def ci(self) -> tuple[float, float] | None:
        """The interval for `flip_rate`; None without a pair."""
        return (self.low, self.high) if self.pairs else None


def noise_floor(first: Iterable[Result], second: Iterable[Result]) -> tuple[NoiseFloor, ...]:
    """The noise of each suite and variant that both runs have, by name."""
    once, again = collect(first), collect(second)
    both = sorted(once.items.keys() & again.items.keys())
    return tuple(_floor(*key, once.items[key], again.items[key]) for key in both)


def flaky_cases(results: Iterable[Result]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The cases of each suite and variant whose own repeats disagree."""
    return {
        key: tuple(sorted(item.case for item in items.values() if 0.0 < item.share < 1.0))
        for key, items in sorted(collect(results).items.items())
    }


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
