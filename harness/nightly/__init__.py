"""Every night: all variants on their suites, compared with last night and with baselines."""

from harness.nightly.config import NightlyConfig, load_config
from harness.nightly.names import check_named
from harness.nightly.night import NightReport, nights_of_runs, run_night
from harness.nightly.values import Night, NightFinding, Rival

__all__ = [
    "Night",
    "NightFinding",
    "NightReport",
    "NightlyConfig",
    "Rival",
    "check_named",
    "load_config",
    "nights_of_runs",
    "run_night",
]
