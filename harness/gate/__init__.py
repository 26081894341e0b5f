"""Statistics, verdicts and baselines: what a run's results mean for each candidate."""

from harness.gate.decision import decide
from harness.gate.values import Comparison, GateReport, Rate, SuiteDemand, SuiteVerdict, Verdict

__all__ = [
    "Comparison",
    "GateReport",
    "Rate",
    "SuiteDemand",
    "SuiteVerdict",
    "Verdict",
    "decide",
]
