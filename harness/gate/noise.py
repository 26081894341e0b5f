"""The noise floor: how often the same model disagrees with itself.

It informs: no decision uses it, and no flaky case is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.gate.pairs import collect
from harness.gate.statistics import wilson
from harness.results import NoiseFloor, Result


def noise_floor(first: Iterable[Result], second: Iterable[Result]) -> tuple[NoiseFloor, ...]:
    """Measure the noise of each suite and variant that both runs have, by name.

    A case counts where both runs asked the same and judged every repeat. Its chance of a flip is
    that of two answers, one of each run, to be judged differently.
    """
    one, other = collect(first), collect(second)
    floors = []
    for suite, variant in sorted(one.items.keys() & other.items.keys()):
        old, new = one.of(suite, variant), other.of(suite, variant)
        flips = {}
        for case in sorted(old.keys() & new.keys()):
            a, b = old[case], new[case]
            if a.testable and b.testable and a.asked == b.asked:
                flips[case] = a.share * (1 - b.share) + b.share * (1 - a.share)
        low, high = wilson(sum(flips.values()), len(flips))
        floors.append(
            NoiseFloor(
                suite=suite,
                variant=variant,
                pairs=len(flips),
                flip_rate=sum(flips.values()) / len(flips) if flips else 0.0,
                low=low,
                high=high,
                flaky=tuple(case for case, chance in flips.items() if chance > 0),
                left_out=len(old.keys() | new.keys()) - len(flips),
            )
        )
    return tuple(floors)
