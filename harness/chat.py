"""A conversation: the messages that go into a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


Messages = tuple[Message, ...]


def as_dicts(messages: Messages) -> list[dict[str, str]]:
    """The form that chat templates and OpenAI-compatible servers take."""
    return [{"role": message.role, "content": message.content} for message in messages]
