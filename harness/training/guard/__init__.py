"""The contamination guard: no training row holds a piece of a case that gates."""

from harness.training.guard.guard import Guard
from harness.training.guard.table import print_guard
from harness.training.guard.values import Guarded, GuardReport, GuardSettings, Hit

__all__ = ["Guard", "GuardReport", "GuardSettings", "Guarded", "Hit", "print_guard"]
