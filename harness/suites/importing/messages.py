"""Lists of messages: what the user says in each turn, and what the assistant answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.scorers.limits import shown
from harness.suites.importing.source import Wrong

# Names of speakers, as data sets write them.
_ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}


@dataclass(frozen=True)
class Said:
    """What one row says: the system prompt, and user texts with the answers given, if any."""

    system: str | None
    turns: tuple[tuple[str, str | None], ...]

    def as_system(self) -> dict[str, str]:
        """The system prompt as a key of a case; none where the row has none."""
        return {} if self.system is None else {"system": self.system}


def said_in(messages: object) -> Said:
    """The turns of a list of messages (`role` and `content`, or `from` and `value`).

    One system message may come first; user and assistant take turns. Raises Wrong.
    """
    if not isinstance(messages, list) or not messages:
        raise Wrong("the messages are no list", found=shown(messages))
    spoken = [_spoken(message) for message in messages]
    system = spoken.pop(0)[1] if spoken[0][0] == "system" else None
    expected = [("user", "assistant")[at % 2] for at in range(len(spoken))]
    if not spoken or [role for role, _ in spoken] != expected:
        found = ", ".join(role for role, _ in spoken)[:200]
        raise Wrong("user and assistant do not take turns", found=found or "no turn")
    texts = [text for _, text in spoken]
    answers: list[str | None] = [*texts[1::2]]
    if len(answers) < len(texts[::2]):
        answers.append(None)
    return Said(system, tuple(zip(texts[::2], answers, strict=True)))


def _spoken(message: object) -> tuple[str, str]:
    """Speaker and text of one message."""
    if not isinstance(message, Mapping):
        raise Wrong("a message is a mapping", found=shown(message))
    role: Any = message.get("role", message.get("from"))
    text: Any = message.get("content", message.get("value"))
    role = _ROLES.get(role, role) if isinstance(role, str) else role
    if role not in ("system", "user", "assistant"):
        raise Wrong("a speaker is system, user or assistant", found=shown(role))
    if not isinstance(text, str) or not text.strip():
        raise Wrong("a message has no text", found=shown(text))
    return role, text
