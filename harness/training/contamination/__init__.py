"""The contamination guard: no training row holds a piece of a case that gates."""

from harness.training.contamination.check import Guard, print_guard
from harness.training.contamination.values import Guarded, GuardReport, GuardSettings, Hit

__all__ = ["Guard", "GuardReport", "GuardSettings", "Guarded", "Hit", "print_guard"]
