"""Engines: one protocol, a lazy registry, and the built-in ones."""

from harness.backends.base import (
    Address,
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Models,
    Prompt,
    Request,
    announce,
    models_are,
    one_model_at_a_time,
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
    "Environment",
    "Fingerprint",
    "Models",
    "Prompt",
    "Request",
    "announce",
    "backend_names",
    "check_backend",
    "check_name",
    "check_rows",
    "models_are",
    "models_of",
    "one_model_at_a_time",
    "open_backend",
    "recorded_variants",
    "require",
    "unused_notes",
]
