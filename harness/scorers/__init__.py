"""Checks on answers: pure, versioned, registered by name."""

from harness.scorers.check import Check, CheckField, load_context, parse_check
from harness.scorers.published import with_checks
from harness.scorers.registry import (
    Args,
    Example,
    Scorer,
    UnknownScorerError,
    all_scorers,
    forget,
    get,
    names,
    scorer,
)
from harness.scorers.values import Answer, Context, Finding, verdict

__all__ = [
    "Answer",
    "Args",
    "Check",
    "CheckField",
    "Context",
    "Example",
    "Finding",
    "Scorer",
    "UnknownScorerError",
    "all_scorers",
    "forget",
    "get",
    "load_context",
    "names",
    "parse_check",
    "scorer",
    "verdict",
    "with_checks",
]
