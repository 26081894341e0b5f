"""Whether a warm engine can answer a run, and if not, why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.backends.values import Environment
from harness.backends.vllm.backend import VllmBackend
from harness.canonical import JsonValue
from harness.engine.starting import environment_facts
from harness.engine.values import READY, Warm
from harness.variants import Variant


def misfit(warm: Warm, backend: VllmBackend, variants: Sequence[Variant]) -> str:
    """Why this engine cannot answer these variants as `backend` would; empty where it can."""
    return next(_misfits(warm, backend, variants), "")


def _misfits(warm: Warm, backend: VllmBackend, variants: Sequence[Variant]) -> Iterator[str]:
    if warm.stage != READY:
        yield "it is still starting"
    models = {variant.model for variant in variants}
    if len(models) != 1:
        yield f"the run asks {len(models)} models, and it holds one"
    for variant in variants:
        if backend.fingerprint(variant).weights != warm.weights:
            yield f"it holds another model: {warm.model}"
        if different := _different(warm.environment, backend.environment(variant)):
            yield f"it differs in {different}"
    wanted, there = backend.context_length, warm.max_model_len
    if wanted is not None and there is not None and there < wanted:
        yield f"its context is {there} tokens, and the run may need {wanted}"
    yield from _too_large(warm, backend, variants)


def _too_large(warm: Warm, backend: VllmBackend, variants: Sequence[Variant]) -> Iterator[str]:
    for variant in variants:
        adapter = backend.shelf.adapter(variant)
        rank = adapter.rank if adapter else 0
        if rank > warm.max_lora_rank:
            yield f"adapter {variant.name} has rank {rank}, and it takes {warm.max_lora_rank}"


def _different(warm: Mapping[str, JsonValue], wanted: Environment) -> str:
    """The first fact in which two environments differ, in words."""
    one, other = _flat(warm), _flat(environment_facts(wanted))
    names = [n for n in sorted({*one, *other}) if one.get(n) != other.get(n)]
    return f"{names[0]}: {one.get(names[0])}, not {other.get(names[0])}" if names else ""


def _flat(facts: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    extra = facts.get("extra")
    inner = extra if isinstance(extra, Mapping) else {}
    return {**{name: value for name, value in facts.items() if name != "extra"}, **inner}
