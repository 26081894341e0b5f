"""Evaluate language models and their LoRA adapters, gate them, and repair what fails.

From Python: `run`, `score`, `compare`, `load_run` and `fix` do what the commands do and return
typed values; `load_suites` reads suites, `make_suite` makes one of values; `check` and `backend`
make a check and a backend of a function (docs/python.md). Each name is imported when it is first
asked for, so that `import harness` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from harness.api import compare, fix, load_run, run, score
    from harness.backends import backend
    from harness.common import InputError, MachineryError
    from harness.evaluation import ComparisonReport, RunReport
    from harness.reports import SavedRun
    from harness.results import Outcome, Result, Verdict
    from harness.scorers import check
    from harness.suites import Case, Suite, load_suites, make_suite
    from harness.training.repair import FixReport

_HOMES = {
    "harness.api": ("compare", "fix", "load_run", "run", "score"),
    "harness.backends": ("backend",),
    "harness.common": ("InputError", "MachineryError"),
    "harness.evaluation": ("ComparisonReport", "RunReport"),
    "harness.reports": ("SavedRun",),
    "harness.results": ("Outcome", "Result", "Verdict"),
    "harness.scorers": ("check",),
    "harness.suites": ("Case", "Suite", "load_suites", "make_suite"),
    "harness.training.repair": ("FixReport",),
}

__all__ = [
    "Case",
    "ComparisonReport",
    "FixReport",
    "InputError",
    "MachineryError",
    "Outcome",
    "Result",
    "RunReport",
    "SavedRun",
    "Suite",
    "Verdict",
    "__version__",
    "backend",
    "check",
    "compare",
    "fix",
    "load_run",
    "load_suites",
    "make_suite",
    "run",
    "score",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(home), name)
            return value
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*globals(), *__all__})
