"""The one door to engines for a run: the warm one where it fits, and otherwise one of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from harness.backends.registry import open_backend, open_here
from harness.backends.values import Backend, BackendOptions
from harness.engine.home import Home
from harness.engine.values import Warm
from harness.errors import HarnessError

ENGINE = "vllm"  # the only one that can be kept warm


def open_engine(name: str, options: BackendOptions, *, warm: bool = True) -> Backend:
    """The engine of this name for a run.

    Where `harness engine up` keeps one that gives the same answers, it is used; else a note says
    why not. Raises what `open_backend` raises.
    """
    there = Home(options.cache_dir).read() if options.cache_dir and name == ENGINE else None
    if there is None or not warm:
        return open_backend(name, options)
    # Only now: a run without a warm engine need not pay for the imports.
    from harness.engine.backend import WarmBackend
    from harness.engine.fitting import misfit

    planner = open_here(name, options)
    reason = misfit(there, planner, options) or _full(there, planner, options)
    if not reason:
        return WarmBackend(there, planner, options)
    planner.close()
    note = f"the warm engine is not used: {reason} (harness engine down frees its memory)"
    return cast(Backend, _Noted(open_backend(name, options), note))


def find_engine(cache_dir: Path) -> Warm | None:
    """The warm engine beside a store, if one is up."""
    return Home(cache_dir).read()


def _full(warm: Warm, planner: Backend, options: BackendOptions) -> str:
    """On a CPU the last slot has to stay empty: with all taken, vLLM's kernels answer for the base
    with an adapter (vllm-project/vllm#48421). On a GPU an adapter makes room for another.
    """
    from harness.engine.loading import loaded

    if not warm.is_cpu:
        return ""
    wanted = {planner.fingerprint(v).adapter for v in options.variants if v.adapter}
    try:
        there = loaded(warm)
    except HarnessError:
        return "it does not answer"
    if len(there | wanted) < warm.slots:
        return ""
    return f"it holds {len(there)} adapters, and has {warm.slots - 1} places for them"


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
