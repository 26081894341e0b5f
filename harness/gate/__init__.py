"""Statistics, verdicts and baselines: what a run's results mean for each candidate."""

from harness.gate.agreement import (
    FEWEST,
    LINEAR,
    Favour,
    agree,
    by_rater,
    cohen_kappa,
    consistency,
    kappa_interval,
    length_bias,
    people_agree,
    position_bias,
)
from harness.gate.baselines import (
    EARLY_STOP,
    Baseline,
    flaws,
    load_baseline,
    not_here,
    save_baseline,
)
from harness.gate.calibrations import (
    calibration_name,
    load_calibration,
    load_calibrations,
    replaced,
    save_calibration,
    standing_of,
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
    "FEWEST",
    "LINEAR",
    "METHOD",
    "Baseline",
    "Favour",
    "InterimGate",
    "Items",
    "Ledger",
    "Needed",
    "PairEnvironments",
    "PairwiseComparison",
    "SequentialTest",
    "Sight",
    "agree",
    "all_of",
    "balanced_order",
    "by_rater",
    "calibration_name",
    "cohen_kappa",
    "collect",
    "compare_ledgers",
    "compare_pairwise",
    "consistency",
    "decide",
    "differences",
    "environment_change",
    "flaws",
    "foresee",
    "judge_ledger",
    "kappa_interval",
    "length_bias",
    "likely_discordance",
    "load_baseline",
    "load_calibration",
    "load_calibrations",
    "noise_floor",
    "not_here",
    "people_agree",
    "position_bias",
    "repeated_drop",
    "replaced",
    "save_baseline",
    "save_calibration",
    "standing_of",
]
