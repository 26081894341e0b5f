"""Statistics, verdicts and baselines: what a run's results mean for each candidate."""

from harness.gate.baselines import (
    EARLY_STOP,
    Baseline,
    flaws,
    load_baseline,
    not_here,
    save_baseline,
)
from harness.gate.decision import decide, judge_ledger
from harness.gate.foresight import (
    Needed,
    Sight,
    all_of,
    foresee,
    likely_discordance,
    repeated_drop,
)
from harness.gate.interim import InterimGate
from harness.gate.noise import noise_floor
from harness.gate.pairs import (
    Items,
    Ledger,
    PairEnvironments,
    collect,
    differences,
    environment_change,
)
from harness.gate.sequential import METHOD, SequentialTest, balanced_order
from harness.gate.several import (
    PairwiseComparison,
    compare_ledgers,
    compare_pairwise,
)
from harness.gate.statistics import ASSUMED_DISCORDANCE

__all__ = [
    "ASSUMED_DISCORDANCE",
    "EARLY_STOP",
    "METHOD",
    "Baseline",
    "InterimGate",
    "Items",
    "Ledger",
    "Needed",
    "PairEnvironments",
    "PairwiseComparison",
    "SequentialTest",
    "Sight",
    "all_of",
    "balanced_order",
    "collect",
    "compare_ledgers",
    "compare_pairwise",
    "decide",
    "differences",
    "environment_change",
    "flaws",
    "foresee",
    "judge_ledger",
    "likely_discordance",
    "load_baseline",
    "noise_floor",
    "not_here",
    "repeated_drop",
    "save_baseline",
]
