"""What a suite can see, against published tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.gate.statistics import (
    cases_to_decide,
    cases_to_see,
    drop_power_needs,
    smallest_drop,
    smallest_mean_drop,
    spread,
)


@pytest.mark.parametrize(
    ("discordance", "drop", "n"),
    [(0.05, 0.02, 771), (0.05, 0.03, 342), (0.10, 0.05, 246), (0.20, 0.10, 122)],
)
def test_pairs_needed(discordance: float, drop: float, n: int) -> None:
    assert drop_power_needs(drop, discordance, 0.05) == pytest.approx(n, abs=1.0)


@pytest.mark.parametrize(
    ("n", "discordance", "drop"),
    [(100, 0.1, 0.078), (300, 0.1, 0.045), (1000, 0.1, 0.025), (300, 0.2, 0.064)],
)
def test_smallest_drop(n: int, discordance: float, drop: float) -> None:
    assert smallest_drop(n, discordance, 0.05) == pytest.approx(drop, abs=6e-4)


def test_without_a_difference_the_drop_itself_is_the_discordance() -> None:
    assert smallest_drop(300, 0.0, 0.05) == pytest.approx(0.0205, abs=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_pairs_sees_nothing(n: int) -> None:
    assert smallest_drop(n, 0.0, 0.05) is None


def test_enough_cases_are_those_of_the_power_table_and_never_fewer_than_assumed() -> None:
    """246 pairs see five points where one in ten differs; a suite that saw less needs as many."""
    quiet = spread(np.zeros(30), np.arange(30), binary=True)
    loud = spread(np.tile([-1.0, 1.0, 0.0, 0.0, 0.0], 20), np.arange(100), binary=True)

    assert cases_to_see(quiet, 0.05, 0.05) == 246
    assert cases_to_see(loud, 0.05, 0.05) == pytest.approx(drop_power_needs(0.05, 0.4, 0.05), abs=1)


def test_four_clusters_see_nothing() -> None:
    wide = spread(np.zeros(40), np.arange(40) // 10, binary=True)

    assert smallest_mean_drop(wide, 4, 0.05) is None


def test_clusters_see_less_than_their_cases() -> None:
    changes = np.tile([-1.0, 0.0, 0.0, 0.0, 1.0], 20)
    alone = spread(changes, np.arange(100), binary=False)
    together = spread(changes.reshape(20, 5).T.ravel(), np.arange(100) // 5, binary=False)

    seen = smallest_mean_drop(alone, 100, 0.05)
    seen_together = smallest_mean_drop(together, 20, 0.05)

    assert seen is not None
    assert seen_together is not None
    assert seen_together > seen


@pytest.mark.parametrize("losses", [0, 1, 2, 4])
def test_as_many_more_cases_as_advised_do_decide(losses: int) -> None:
    changes = np.array([-1.0] * losses + [0.0] * (60 - losses))
    wide = spread(changes, np.arange(60), binary=True)

    more = cases_to_decide(wide, margin=0.07, alpha=0.05)

    assert more is not None
    bounds = [
        replace(wide, total=n, squares=wide.squares * n / 60).lower()
        for n in (60, 60 + more - 2, 60 + more + 1)
    ]
    assert losses == 0 or bounds[0] <= -0.07
    assert more == 1 or bounds[1] <= -0.07
    assert bounds[2] > -0.07


def test_a_drop_beyond_the_margin_is_advised_until_it_counts_as_a_regression() -> None:
    wide = spread(np.array([-1.0] * 3 + [0.0] * 27), np.arange(30), binary=True)

    more = cases_to_decide(wide, margin=0.05, alpha=0.01)

    assert more == 19  # (2.326 / 0.1)² · 0.09 = 48.7 cases in all


def test_no_number_of_cases_decides_a_drop_at_the_margin() -> None:
    wide = spread(np.array([-1.0, *[0.0] * 9]), np.arange(10), binary=True)

    assert cases_to_decide(wide, margin=0.1, alpha=0.05) is None
