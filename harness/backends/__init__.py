"""Backends: one abstract class, a lazy registry, and the built-in ones."""

from harness.backends.adapters import (
    AdapterDir,
    adapted_modules,
    open_adapter,
    read_adapter_config,
)
from harness.backends.arguments import EngineArgument, argument_problems
from harness.backends.base import (
    PLAIN,
    Address,
    Backend,
    BackendOptions,
    Completion,
    Declaration,
    Environment,
    Fingerprint,
    Models,
    More,
    Prompt,
    Rendering,
    Replicas,
    Request,
    beside,
    common_prefix,
    estimate_tokens,
    in_batches,
    machine_of,
    models_are,
)
from harness.backends.conformance import check_backend
from harness.backends.function import backend
from harness.backends.models import ModelDir, open_model, pickles_in
from harness.backends.registry import (
    backend_names,
    check_name,
    models_of,
    open_backend,
    require,
    unused_notes,
)
from harness.backends.replay import check_rows, recorded_variants
from harness.backends.replicas import check_replicas
from harness.backends.shelf import FileHashes, adapter_hash, model_hash

__all__ = [
    "PLAIN",
    "AdapterDir",
    "Address",
    "Backend",
    "BackendOptions",
    "Completion",
    "Declaration",
    "EngineArgument",
    "Environment",
    "FileHashes",
    "Fingerprint",
    "ModelDir",
    "Models",
    "More",
    "Prompt",
    "Rendering",
    "Replicas",
    "Request",
    "adapted_modules",
    "adapter_hash",
    "argument_problems",
    "backend",
    "backend_names",
    "beside",
    "check_backend",
    "check_name",
    "check_replicas",
    "check_rows",
    "common_prefix",
    "estimate_tokens",
    "in_batches",
    "machine_of",
    "model_hash",
    "models_are",
    "models_of",
    "open_adapter",
    "open_backend",
    "open_model",
    "pickles_in",
    "read_adapter_config",
    "recorded_variants",
    "require",
    "unused_notes",
]
