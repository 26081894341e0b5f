"""What makes two answers the same answer, and two results comparable.

A completion's key holds all that the answer depends on: environment, weights, adapter, overrides,
prompt, sampling with its seed, and the repeat. How the engine was driven (batch size, graphs) is
not in it. A result's signature holds what both sides of a pair must share: the environment and
what the suite says about sampling, before a variant's own overrides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from harness.backends import Address, Backend, Environment, Prompt
from harness.common import (
    InputError,
    JsonValue,
    Sampling,
    Variant,
    as_dicts,
    canonical_json,
    digest,
)
from harness.results import Signature, VariantInfo

SIGNATURE_DIGITS = 16  # of each half: 64 bits tell a handful of environments apart


@dataclass(frozen=True, slots=True)
class Identity:
    """A variant as the keys see it: one digest, computed once per run."""

    digest: str
    environment: str
    addressed: bool


def identify(
    variant: Variant, backend: Backend, template_args: Mapping[str, Any] | None = None
) -> Identity:
    """Return the identity of a variant under this engine; hash its weights.

    `template_args` are what its chat template is told: they stand where a server's
    `body.chat_template_kwargs` does that says the same.
    """
    plain = environment = backend.environment(variant)
    if template_args:
        told = json.loads(environment.extra.get("chat_template_kwargs", "{}"))
        args = canonical_json({**told, **template_args})
        environment = replace(
            environment, extra={**environment.extra, "chat_template_kwargs": args}
        )
    prints, sampling = backend.fingerprint(variant), variant.sampling
    overrides = {
        "system": variant.system,
        "sampling": sampling.model_dump(mode="json", exclude_unset=True) if sampling else None,
    }
    whole = digest(
        {
            "environment": asdict(environment),
            "weights": prints.weights,
            "adapter": prints.adapter,
            "overrides": overrides,
        }
    )
    return Identity(whole, _half(plain, variant, backend), environment.addressed)


def environment_of(variant: Variant, backend: Backend) -> tuple[str, dict[str, str]]:
    """Return a variant's environment as its results carry it, a digest, and its fields.

    No weights are read.
    """
    environment = backend.environment(variant)
    return _half(environment, variant, backend), _comparable(environment)


def completion_key(identity: Identity, prompt: Prompt, sampling: Sampling, address: Address) -> str:
    """Return the key of one answer: 32 hexadecimal digits.

    The case and the turn count only where answers are recorded ones and found by their address.
    """
    asked: JsonValue = [dict(message) for message in as_dicts(prompt.messages)]
    if prompt.token_ids is not None:
        asked = list(prompt.token_ids)
    return digest(
        {
            "variant": identity.digest,
            "prompt": asked,
            "sampling": _sampling(sampling),
            "repeat": address.repeat,
            "address": address.as_json() if identity.addressed else None,
        }
    )


def signature(identity: Identity, sampling: Sampling, *scoring: str) -> Signature:
    """Return what the results of a pair must share.

    `scoring` holds digests of what else a score depends on (judges, reasoning tags).
    """
    return Signature(identity.environment, _sampling_digest(sampling), scoring)


def describe_variant(variant: Variant, backend: Backend) -> VariantInfo:
    """Describe the variant as the run's record keeps it, with hashes and environment."""
    prints = backend.fingerprint(variant)
    overrides = variant.sampling
    return VariantInfo(
        name=variant.name,
        role=variant.role,
        model=variant.model,
        adapter=variant.adapter,
        weights=prints.weights,
        adapter_hash=prints.adapter,
        environment=_comparable(backend.environment(variant)),
        system=variant.system,
        sampling=overrides.model_dump(mode="json", exclude_unset=True) if overrides else {},
        chat_template=variant.chat_template,
        chat_template_args=variant.template_args,
        chat_template_defaults=variant.template_defaults,
        reasoning_parser=variant.reasoning_parser,
        system_role=variant.system_role,
    )


def _half(environment: Environment, variant: Variant, backend: Backend) -> str:
    """Return the environment's part of a signature: with the model's own chat template.

    What a variant declares must not keep its results from being paired.
    """
    if variant.chat_template is not None:
        try:
            environment = backend.environment(replace(variant, chat_template=None))
        except InputError:  # the model has none of its own
            environment = replace(environment, chat_template="")
    return digest(_comparable(environment), SIGNATURE_DIGITS)


def _comparable(environment: Environment) -> dict[str, str]:
    fields = asdict(environment)
    extra = fields.pop("extra")
    fields.pop("addressed")
    return {**fields, **extra}


@lru_cache(maxsize=1024)  # the cases of a suite share theirs
def _sampling(sampling: Sampling) -> dict[str, JsonValue]:
    return sampling.model_dump(mode="json")


@lru_cache(maxsize=1024)
def _sampling_digest(sampling: Sampling) -> str:
    return digest(_sampling(sampling), SIGNATURE_DIGITS)
