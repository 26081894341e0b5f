"""The two questions that a policy asks of a comparison."""

from __future__ import annotations

from harness.gate.values import Comparison
from harness.gate_settings import GateSettings

ROUNDING = 1e-9  # 3 of 100 cases are 0.03, also in binary fractions


def regressed(seen: Comparison, settings: GateSettings) -> bool:
    """The drop is not explained by chance and larger than allowed."""
    return seen.p_adjusted <= settings.alpha and -seen.delta > settings.margin + ROUNDING


def inconclusive(seen: Comparison, settings: GateSettings) -> bool:
    """Not inferior was asked for, and neither that nor a regression is shown."""
    if settings.policy != "non_inferiority" or regressed(seen, settings):
        return False
    return seen.lower_bound <= -settings.margin + ROUNDING


def reaches(pass_rate: float, minimum: float) -> bool:
    """The plain rate is at the bar or above it."""
    return pass_rate >= minimum - ROUNDING
