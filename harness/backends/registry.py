"""All engines by name. Built-in ones and plug-ins come through the same door: an entry point.

A third-party package declares one under `harness.backends` in its metadata; it loads a function
that takes `BackendOptions` and returns a `Backend`. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from harness.backends.base import (
    Backend,
    BackendOptions,
    Models,
    declared_models,
    holds_weights,
    needs_own_process,
)
from harness.backends.workers import ModelByModel
from harness.common import InputError, Problem, nearest
from harness.prompts import read_template, template_hash

GROUP = "harness.backends"
DISTRIBUTION = "adapter-gate-harness"
_BUILT_IN = {
    "echo": "harness.backends.echo:open_echo",
    "hf": "harness.backends.hf:open_hf",
    "openai": "harness.backends.openai:open_openai",
    "replay": "harness.backends.replay:open_replay",
    "vllm": "harness.backends.vllm:open_vllm",
}


def backend_names() -> tuple[str, ...]:
    """Names of all engines that can be asked for, sorted."""
    return tuple(sorted(_entries()))


def open_backend(name: str, options: BackendOptions | None = None) -> Backend:
    """The engine of this name, opened but not started.

    Where it holds weights and the variants are of several models, each model gets an engine in a
    process of its own, one after another, so that memory is given back.

    Raises `InputError` for an unknown name, an engine whose packages are not installed, and for
    options, models and adapters that are wrong.
    """
    options = options or BackendOptions()
    backend = open_here(name, options)
    several = len({variant.model for variant in options.variants}) > 1
    if holds_weights(backend) and (several or needs_own_process(backend)):
        return ModelByModel(backend, name, options)
    return backend


def open_here(name: str, options: BackendOptions) -> Backend:
    """The same, but generating in this process whatever the engine prefers."""
    check_name(name)
    backend = _load(_entries()[name])(options)
    _check_templates(name, backend, options)
    return backend


def check_name(name: str) -> None:
    """Raise `InputError` for an engine that nobody offers."""
    known = backend_names()
    if name not in known:
        raise InputError(
            Problem(
                f"backend {name!r} is not known",
                did_you_mean=nearest(name, known),
                hint=f"use one of {', '.join(known)}",
            )
        )


def models_of(name: str) -> Models:
    """What models and adapters are to this engine; `EITHER` for a name that nobody offers.

    Raises `InputError` for a plug-in that cannot be loaded.
    """
    entry = _entries().get(name)
    return declared_models(_load(entry)) if entry else Models.EITHER


def require(backend: str, extra: str, *modules: str) -> None:
    """Raise `InputError` naming the extra to install, unless all these modules can be imported."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise InputError(
            Problem(
                f"backend {backend!r} needs {', '.join(missing)}",
                hint=f"pip install '{DISTRIBUTION}[{extra}]'",
            )
        )


def _check_templates(name: str, backend: Backend, options: BackendOptions) -> None:
    """Raise `InputError` where an engine would pass over a variant's own chat template."""
    for variant in options.variants:
        if variant.chat_template is None:
            continue
        template = read_template(variant.chat_template)
        if backend.environment(variant).chat_template != template_hash(template):
            raise InputError(
                Problem(
                    f"variant {variant.name!r} has a chat template of its own, "
                    f"and backend {name!r} takes none",
                    found=variant.chat_template,
                    hint="use --backend hf, or leave chat_template out",
                )
            )


def _entries() -> dict[str, EntryPoint]:
    """Plug-ins and built-in engines; a plug-in cannot take a built-in's name."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    built_in = {name: EntryPoint(name, target, GROUP) for name, target in _BUILT_IN.items()}
    return {**found, **built_in}


def _load(entry: EntryPoint) -> Callable[[BackendOptions], Backend]:
    try:
        opener: Callable[[BackendOptions], Backend] = entry.load()
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            Problem(
                f"backend {entry.name!r} cannot be loaded",
                found=f"{entry.value}: {error}",
                hint=f"reinstall {entry.dist.name if entry.dist else DISTRIBUTION}",
            )
        ) from error
    return opener


_COMPUTING = frozenset({"device", "dtype", "trust_remote_code"})
_USED = {
    "echo": frozenset({"responses"}),
    "hf": _COMPUTING | {"batch_tokens"},
    "openai": frozenset({"base_url", "trust_remote_code"}),
    "replay": frozenset({"responses"}),
    "vllm": _COMPUTING,
}
_SHARED = ("base_url", "batch_tokens", "device", "dtype", "trust_remote_code")
_USUAL = BackendOptions()


def unused_notes(name: str, options: BackendOptions) -> Iterator[str]:
    """A note for each option that was set and that this engine does not look at.

    Nothing is known of plug-ins. Recorded answers (`responses`) are another matter: whoever would
    pass over them refuses them.
    """
    used = _USED.get(name, frozenset(_SHARED))
    for option in _SHARED:
        if option not in used and getattr(options, option) != getattr(_USUAL, option):
            yield f"--{option.replace('_', '-')} has no effect: backend {name!r} does not use it"


_ELSEWHERE = {
    "gpu": "cuda",
    "nvidia": "cuda",
    "metal": "mps",
    "half": "float16",
    "fp16": "float16",
    "f16": "float16",
    "float": "float32",
    "fp32": "float32",
    "f32": "float32",
    "bf16": "bfloat16",
}


def meant(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant: by another name, or by a slip; empty for none."""
    names = tuple(known)
    other = _ELSEWHERE.get(word.lower(), "")
    return other if other in names else nearest(word, names)
