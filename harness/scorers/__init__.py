"""Checks on answers: pure, versioned, registered by name."""

from harness.scorers.check import Check, CheckField, combine, load_context, parse_check
from harness.scorers.judge import UnreadableError
from harness.scorers.prefer import Choice, preference_question, read_preference
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
from harness.scorers.tools import (
    ExpectedCall,
    Tool,
    ToolProblemError,
    check_expected,
    declared_tool,
    expected_calls,
    fits_arguments,
    parameters_of,
    reads_calls,
    tool_name,
    undeclared,
)
from harness.scorers.values import Answer, Context, Finding, Question, verdict

__all__ = [
    "DEFAULT_TAGS",
    "Answer",
    "Args",
    "Check",
    "CheckField",
    "Choice",
    "Context",
    "Example",
    "ExpectedCall",
    "Finding",
    "Question",
    "Scorer",
    "Tag",
    "Tool",
    "ToolProblemError",
    "UnknownScorerError",
    "UnreadableError",
    "all_scorers",
    "check_expected",
    "combine",
    "declared_tags",
    "declared_tool",
    "expected_calls",
    "fits_arguments",
    "forget",
    "get",
    "load_context",
    "names",
    "parameters_of",
    "parse_check",
    "preference_question",
    "read_preference",
    "reads_calls",
    "scorer",
    "strip_reasoning",
    "tool_name",
    "undeclared",
    "unread_mark",
    "verdict",
    "with_checks",
]
