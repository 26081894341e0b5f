"""Evaluate language models and their LoRA adapters, gate them, and repair what fails.

From Python: `run`, `score`, `compare` and `load_run` do what the commands do and return typed
values; `load_suites` reads suites. Each name is imported when it is first asked for, so that
`import harness` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from harness.common import InputError, MachineryError
    from harness.evaluation import ComparisonReport, RunReport
    from harness.evaluation.api import compare, load_run, run, score
    from harness.reports import SavedRun
    from harness.results import Outcome, Result, Verdict
    from harness.suites import Suite, load_suites

_HOMES = {
    "harness.common": ("InputError", "MachineryError"),
    "harness.evaluation": ("ComparisonReport", "RunReport"),
    "harness.evaluation.api": ("compare", "load_run", "run", "score"),
    "harness.reports": ("SavedRun",),
    "harness.results": ("Outcome", "Result", "Verdict"),
    "harness.suites": ("Suite", "load_suites"),
}

__all__ = [
    "ComparisonReport",
    "InputError",
    "MachineryError",
    "Outcome",
    "Result",
    "RunReport",
    "SavedRun",
    "Suite",
    "Verdict",
    "__version__",
    "compare",
    "load_run",
    "load_suites",
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
