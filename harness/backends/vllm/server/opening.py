"""The one door to engines for a run: the warm one where it fits, and otherwise one of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from harness.backends.base import Backend, BackendOptions, holds_weights
from harness.backends.registry import open_backend, open_here
from harness.backends.vllm.server.home import Home, Warm, Watched

ENGINE = "vllm"  # the only one that can be kept warm


def open_engine(name: str, options: BackendOptions, *, warm: bool = True) -> Backend:
    """The engine of this name for a run.

    Where `harness engine up` keeps one that gives the same answers, it is used; else a note says
    why not. Raises what `open_backend` raises.
    """
    home = Home(options.cache_dir) if options.cache_dir and name == ENGINE and warm else None
    there = home.read() if home else None
    if home is None or there is None:
        return _opened(name, options)
    # Only now: a run without a warm engine need not pay for the imports.
    from harness.backends.vllm.backend import VllmBackend
    from harness.backends.vllm.server.backend import WarmBackend, full, misfit

    planner = open_here(name, options)
    assert isinstance(planner, VllmBackend)  # no plug-in can take the name of a built-in engine
    adapters = {planner.fingerprint(v).adapter for v in options.variants if v.adapter}
    reason = misfit(there, planner, options.variants) or full(there, home, adapters)
    if not reason:
        return WarmBackend(there, planner, options)
    planner.close()
    note = f"the warm engine is not used: {reason} (harness engine down frees its memory)"
    return cast(Backend, _Noted(_opened(name, options), note))


def find_engine(cache_dir: Path) -> Warm | None:
    """The warm engine beside a store, if one is up."""
    return Home(cache_dir).read()


def _opened(name: str, options: BackendOptions) -> Backend:
    """An engine of the run's own."""
    backend = open_backend(name, options)
    return cast(Backend, Watched(backend)) if holds_weights(backend) else backend


class _Noted:
    """An engine, with one more note."""

    def __init__(self, backend: Backend, note: str) -> None:
        self._backend = backend
        self._note = note

    @property
    def notes(self) -> tuple[str, ...]:
        """The note, then the engine's own."""
        return (self._note, *self._backend.notes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)
