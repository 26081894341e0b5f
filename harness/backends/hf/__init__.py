"""The engine `hf`: transformers in this process, the base loaded once with all its adapters."""

from __future__ import annotations

from harness.backends.registry import require
from harness.backends.values import Backend, BackendOptions


def open_hf(options: BackendOptions) -> Backend:
    """The engine for these variants, checked and not yet started: no weights are in memory.

    Raises `InputError` for missing packages, and for models, adapters and options that are wrong.
    """
    require("hf", "hf", "torch", "transformers", "peft", "safetensors")
    from harness.backends.hf.backend import HfBackend

    return HfBackend(options)
