"""All backends by name. Built-in ones and plug-ins come through the same door: an entry point.

A third-party package declares one under `harness.backends` in its metadata; it loads a function
that takes `BackendOptions` and returns a `Backend`. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from harness.backends.base import Backend, BackendOptions, Declaration, Models, adopt, declaration
from harness.backends.replicas import check_replicas, open_replicas
from harness.backends.workers import ModelByModel
from harness.common import InputError, Problem, nearest
from harness.prompts import read_template, template_hash

GROUP = "harness.backends"
DISTRIBUTION = "lora-regression-harness"
_BUILT_IN = {
    "echo": "harness.backends.echo:open_echo",
    "hf": "harness.backends.hf:open_hf",
    "openai": "harness.backends.openai:open_openai",
    "replay": "harness.backends.replay:open_replay",
    "vllm": "harness.backends.vllm:open_vllm",
}

Opener = Callable[[BackendOptions], Any]
_MADE_HERE: dict[str, Opener] = {}  # by this process itself, which may make them anew


def add_opener(name: str, opener: Opener) -> None:
    """Let this process ask for a backend by a name; raise `InputError` for one that is taken."""
    if name in _entries():
        raise InputError(Problem(f"there is a backend {name!r} already", hint="call it otherwise"))
    _MADE_HERE[name] = opener


def backend_names() -> tuple[str, ...]:
    """Return the names of all backends that can be asked for, sorted."""
    return tuple(sorted({*_entries(), *_MADE_HERE}))


def open_backend(name: str, options: BackendOptions | None = None) -> Backend:
    """Open the backend of this name, and start nothing.

    Where it holds weights and the variants are of several models, each model gets an engine in a
    process of its own, one after another, so that memory is given back. With `options.replicas`
    several engines answer beside each other, through Ray.

    Raises `InputError` for an unknown name, a backend whose packages are not installed, and for
    options, models and adapters that are wrong.
    """
    options = options or BackendOptions()
    if options.replicas is not None:
        check_replicas(name, models_of(name), options.replicas)
        return open_replicas(open_here(name, options), name, options)  # looks for Ray
    backend = open_here(name, options)
    several = len({variant.model for variant in options.variants}) > 1
    if backend.holds_weights and (several or backend.own_process):
        return ModelByModel(backend, name, options)
    return backend


def open_here(name: str, options: BackendOptions) -> Backend:
    """Open it to generate in this process, whatever it prefers; raises as `open_backend` does."""
    check_name(name)
    backend = adopt(_opener(name)(options))
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
    return backend


def check_name(name: str) -> None:
    """Raise `InputError` for a backend that nobody offers."""
    if not _is_known(name):
        known = backend_names()
        raise InputError(
            Problem(
                f"backend {name!r} is not known",
                did_you_mean=nearest(name, known),
                hint=f"use one of {', '.join(known)}",
            )
        )


def declared(name: str) -> Declaration:
    """Return what this backend says of itself; nothing for a name that nobody offers.

    Raises `InputError` for a plug-in that cannot be loaded.
    """
    return declaration(_opener(name)) if _is_known(name) else Declaration()


def models_of(name: str) -> Models:
    """Return what models and adapters are to this backend; raises as `declared` does."""
    return declared(name).models


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


def _is_known(name: str) -> bool:
    return name in _BUILT_IN or name in _MADE_HERE or name in _entries()


def _entries() -> dict[str, EntryPoint]:
    """Return plug-ins and built-in backends; a plug-in cannot take a built-in's name.

    It reads a file of every installed package: names that need no plug-in are not looked up here.
    """
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    built_in = {name: EntryPoint(name, target, GROUP) for name, target in _BUILT_IN.items()}
    return {**found, **built_in}


def _opener(name: str) -> Opener:
    if name in _MADE_HERE:
        return _MADE_HERE[name]
    target = _BUILT_IN.get(name)
    entry = EntryPoint(name, target, GROUP) if target else _entries()[name]
    try:
        opener: Opener = entry.load()
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            Problem(
                f"backend {entry.name!r} cannot be loaded",
                found=f"{entry.value}: {error}",
                hint=f"reinstall {entry.dist.name if entry.dist else DISTRIBUTION}",
            )
        ) from error
    return opener


_SHARED = ("base_url", "batch_tokens", "device", "dtype", "trust_remote_code")
_USUAL = BackendOptions()


def unused_notes(name: str, options: BackendOptions) -> Iterator[str]:
    """Yield a note for each option that was set and that this backend does not look at.

    Nothing is known of plug-ins that declare none. Recorded answers (`responses`) are another
    matter: whoever would pass over them refuses them.
    """
    used = declared(name).options
    if used is None:
        return
    for option in _SHARED:
        if option not in used and getattr(options, option) != getattr(_USUAL, option):
            yield f"--{option.replace('_', '-')} has no effect: backend {name!r} does not use it"


_OTHER_NAMES = {
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
    """Return the known word that was meant, by another name or by a slip; empty for none."""
    names = tuple(known)
    other = _OTHER_NAMES.get(word.lower(), "")
    return other if other in names else nearest(word, names)
