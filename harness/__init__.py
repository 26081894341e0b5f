"""Evaluate language models and their LoRA adapters, gate them, and repair what fails."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from harness.reports import load_run

__all__ = ["__version__", "load_run"]


def __getattr__(name: str) -> object:
    """`harness.load_run`, imported when it is first asked for: `import harness` stays light."""
    if name == "load_run":
        from harness.reports import load_run

        return load_run
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
