"""Backends: one abstract class, a lazy registry, and the built-in ones."""

from harness.backends.arguments import EngineArgument, argument_problems
from harness.backends.base import (
    Address,
    Backend,
    BackendOptions,
    Completion,
    Declaration,
    Environment,
    Fingerprint,
    Models,
    Prompt,
    Request,
    models_are,
)
from harness.backends.conformance import check_backend
from harness.backends.registry import (
    backend_names,
    check_name,
    models_of,
    open_backend,
    require,
    unused_notes,
)
from harness.backends.replay import check_rows, recorded_variants

__all__ = [
    "Address",
    "Backend",
    "BackendOptions",
    "Completion",
    "Declaration",
    "EngineArgument",
    "Environment",
    "Fingerprint",
    "Models",
    "Prompt",
    "Request",
    "argument_problems",
    "backend_names",
    "check_backend",
    "check_name",
    "check_rows",
    "models_are",
    "models_of",
    "open_backend",
    "recorded_variants",
    "require",
    "unused_notes",
]
