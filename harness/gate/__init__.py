"""Statistics, verdicts and baselines: what a run's results mean for each candidate."""

from harness.gate.baselines import (
    EARLY_STOP,
    Baseline,
    flaws,
    load_baseline,
    not_here,
    save_baseline,
)
from harness.gate.decision import decide
from harness.gate.noise import NoiseFloor, flaky_cases, noise_floor
from harness.gate.pairs import environment_change
from harness.gate.sequential import SequentialTest, balanced_order
from harness.gate.several import PairwiseComparison, compare, compare_pairwise
from harness.gate.values import Comparison, GateReport, Rate, SuiteDemand, SuiteVerdict, Verdict

__all__ = [
    "EARLY_STOP",
    "Baseline",
    "Comparison",
    "GateReport",
    "NoiseFloor",
    "PairwiseComparison",
    "Rate",
    "SequentialTest",
    "SuiteDemand",
    "SuiteVerdict",
    "Verdict",
    "balanced_order",
    "compare",
    "compare_pairwise",
    "decide",
    "environment_change",
    "flaky_cases",
    "flaws",
    "load_baseline",
    "noise_floor",
    "not_here",
    "save_baseline",
]
