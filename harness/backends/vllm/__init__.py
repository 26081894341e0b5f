"""The engine `vllm`: vLLM in a process of its own, one base with all its adapters."""

from __future__ import annotations

from harness.backends.base import Backend, BackendOptions, models_are


@models_are("directories")
def open_vllm(options: BackendOptions) -> Backend:
    """The engine for these variants, checked and not yet started.

    Raises `InputError` where vLLM is missing or not supported, and for models, adapters and
    options that are wrong.
    """
    from harness.backends.vllm.backend import VllmBackend

    return VllmBackend(options)
