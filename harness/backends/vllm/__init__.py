"""The backend `vllm`: vLLM in a process of its own, one base with all its adapters."""

from __future__ import annotations

from harness.backends.base import Backend, BackendOptions, models_are


@models_are("directories", options=("device", "dtype", "trust_remote_code"))
def open_vllm(options: BackendOptions) -> Backend:
    """Open the backend for these variants, checked and not yet started.

    Where `harness engine up` keeps an engine that gives the same answers, it is used if the
    options allow it (`warm`); else a note says why not.

    Raises `InputError` where vLLM is missing or not supported, and for models, adapters and
    options that are wrong.
    """
    from harness.backends.vllm.backend import VllmBackend

    backend = VllmBackend(options)
    if options.cache_dir is None or not options.warm:
        return backend
    from harness.backends.vllm.server import find_engine

    warm = find_engine(options.cache_dir)
    if warm is None:
        return backend
    from harness.backends.vllm.server.backend import WarmBackend, full, misfit
    from harness.backends.vllm.server.home import Home

    adapters = {backend.fingerprint(v).adapter for v in options.variants if v.adapter}
    reason = misfit(warm, backend, options.variants)
    reason = reason or full(warm, Home(options.cache_dir), adapters)
    if not reason:
        return WarmBackend(warm, backend, options)
    backend.told = f"the warm engine is not used: {reason} (harness engine down frees its memory)"
    return backend
