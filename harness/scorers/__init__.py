"""Checks on answers: pure, versioned, registered by name."""

from harness.scorers.check import Check, CheckField, combine, load_context, parse_check
from harness.scorers.published import with_checks
from harness.scorers.reasoning import (
    DEFAULT_TAGS,
    Tag,
    declared_tags,
    strip_reasoning,
    unread_mark,
)
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
from harness.scorers.values import Answer, Context, Finding, Question, verdict

__all__ = [
    "DEFAULT_TAGS",
    "Answer",
    "Args",
    "Check",
    "CheckField",
    "Context",
    "Example",
    "Finding",
    "Question",
    "Scorer",
    "Tag",
    "UnknownScorerError",
    "all_scorers",
    "combine",
    "declared_tags",
    "forget",
    "get",
    "load_context",
    "names",
    "parse_check",
    "scorer",
    "strip_reasoning",
    "unread_mark",
    "verdict",
    "with_checks",
]
