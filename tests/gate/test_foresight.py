"""What is promised before a run is what a simulation of the gate's test shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from harness.gate import all_of, foresee, repeated_drop
from harness.gate.statistics import mcnemar_mid_p_table

RUNS = 4_000  # standard error of a power of 0.8: 0.006


def power(cases: int, discordance: float, drop: float, alpha: float) -> float:
    """How often McNemar's mid-p sees a drop, by simulation."""
    generator = np.random.default_rng(7)
    worse = (discordance + drop) / 2
    drawn = generator.multinomial(cases, [worse, discordance - worse, 1 - discordance], size=RUNS)
    return float((mcnemar_mid_p_table(drawn[:, 0], drawn[:, 1]) <= alpha).mean())


@pytest.mark.parametrize(("cases", "discordance"), [(300, 0.1), (1000, 0.1), (1000, 0.2)])
@pytest.mark.parametrize("family", [1, 6])
def test_the_drop_that_is_promised_is_seen(cases: int, discordance: float, family: int) -> None:
    sight = foresee(cases, discordance, 0.05, family)
    drop = sight.mde if family == 1 else sight.mde_adjusted
    assert drop is not None
    assert power(cases, discordance, drop, 0.05 / family) == pytest.approx(0.8, abs=0.05)


def test_the_cases_that_are_asked_for_see_the_drop() -> None:
    for needed in foresee(100, 0.1, 0.05, 4).needed:
        assert power(needed.cases, 0.1, needed.drop, 0.05) == pytest.approx(0.8, abs=0.05)
        adjusted = power(needed.cases_adjusted, 0.1, needed.drop, 0.05 / 4)
        assert adjusted == pytest.approx(0.8, abs=0.05)


def test_too_few_cases_see_nothing() -> None:
    assert foresee(3, 0.1, 0.05, 1).mde is None


def beta_answers(rate: float, noise: float, cases: int, tries: int) -> npt.NDArray[np.bool_]:
    between = noise / 2 / (rate * (1 - rate))
    whole = between / (1 - between)
    generator = np.random.default_rng(3)
    chances = generator.beta(rate * whole, (1 - rate) * whole, size=cases)
    return generator.random((cases, tries)) < chances[:, None]


def test_pass_all_is_that_of_cases_with_chances_of_their_own() -> None:
    answers = beta_answers(0.8, 0.1, 200_000, 5)
    assert (answers[:, 0] != answers[:, 1]).mean() == pytest.approx(0.1, abs=0.003)
    for tries in (1, 3, 5):
        seen = answers[:, :tries].all(axis=1).mean()
        assert all_of(0.8, 0.1, tries) == pytest.approx(seen, abs=0.005)
    assert all_of(0.8, 0.0, 5) == 0.8
    assert all_of(0.8, 0.32, 5) == pytest.approx(0.8**5)


def test_repeats_help_against_noise_alone() -> None:
    one, five = (repeated_drop(400, 0.1, 0.08, k, 0.05) for k in (1, 5))
    assert one is not None and five is not None
    assert five == pytest.approx(one * (0.036 / 0.1) ** 0.5)
    assert repeated_drop(400, 0.1, 0.0, 5, 0.05) == one
