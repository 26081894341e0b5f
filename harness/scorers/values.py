"""What a scorer sees and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.common import JsonValue, Messages, ToolCall, as_dicts, digest


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as the user would read it.

    `text` has its reasoning and its calls of tools removed; `raw` is what the model wrote.
    `finish_reason` is "stop", "length" or what the engine says. `calls` and `reasoning` are those
    that led to the answer, of all its steps; `steps` are the answers to the turn, this one the
    last, each with its own calls and reasoning; none where there is but one.
    """

    text: str
    raw: str = ""
    finish_reason: str = "stop"
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    steps: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What a check asks another model; `backend` is a configured name, or empty for the default."""

    messages: Messages
    backend: str = ""

    @property
    def key(self) -> str:
        """Under this key `Context.asked` holds the reply."""
        return digest({"messages": as_dicts(self.messages), "backend": self.backend})


@dataclass(frozen=True, slots=True)
class Context:
    """The conversation that led to the answer: system prompt, user turns, earlier answers.

    `asked` holds the replies of other models to what a check asked them (a judge), by
    `Question.key`. `tools` are those that the model may call, in OpenAI's form.
    """

    messages: Messages = ()
    asked: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def system(self) -> str:
        """Return the system prompt, or an empty string."""
        return next((m.content for m in self.messages if m.role == "system"), "")

    @property
    def user(self) -> str:
        """Return the last user turn, or an empty string."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `passed` is None where nobody can tell; `score` is in [0, 1]."""

    passed: bool | None
    score: float
    reason: str
    detail: Mapping[str, JsonValue] = field(default_factory=dict)


def verdict(passed: bool | None, reason: str, **detail: JsonValue) -> Finding:
    """Return a finding without shades: score 1 or 0; 0 where nobody can tell."""
    return Finding(passed, 1.0 if passed else 0.0, reason, detail)
