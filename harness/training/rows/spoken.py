"""Lists of messages in the usual spellings, calls of tools and what they give back among them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.common import (
    NUMBER_DIGITS,
    InputError,
    Message,
    Messages,
    Role,
    ToolCall,
    shown,
)
from harness.common.reading import parse_json
from harness.training.rows.meaning import (
    REASONING,
    RowError,
    check_message,
    is_empty,
    is_learned,
    parsed,
)

ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant",
    "bot": "assistant",
    "tool": "tool", "observation": "tool", "tool_response": "tool", "function": "tool",
    "ipython": "tool",
}  # fmt: skip
# Speakers whose whole text is a call: LLaMA-Factory's and ms-swift's.
_CALLERS = ("function_call", "tool_call")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a row says. Answers whose places are in `untaught` are read, and not learned."""

    messages: Messages
    untaught: tuple[int, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()


def spoken(items: Iterable[object]) -> Spoken:
    """Return a list of messages. Raise RowError for the first that is none.

    Calls in a row, and an answer with the calls behind it, are one turn of the assistant.
    """
    messages: list[Message] = []
    untaught: list[int] = []
    for item in items:
        if not isinstance(item, Mapping):
            raise RowError("a message is a mapping", found=shown(item))
        check_message(item)
        speaker = item.get("role", item.get("from"))
        content = item.get("content", item.get("value"))
        calls_only = speaker in _CALLERS
        role = (
            "assistant" if calls_only else ROLES.get(speaker) if isinstance(speaker, str) else None
        )
        if role is None:
            close = difflib.get_close_matches(str(speaker), [*ROLES, *_CALLERS], n=1)
            raise RowError(
                "the speaker of a message is not known",
                found=shown(speaker),
                expected="system, user, assistant (human, gpt) or tool",
                did_you_mean=close[0] if close else "",
            )
        learned = is_learned(item, answers=role == "assistant")
        calls = _calls(content, "content") if calls_only else _calls_of(item)
        if calls and role != "assistant":
            raise RowError(f"a message of role {role} calls a tool", found=shown(speaker))
        text = "" if calls_only or (calls and is_empty(content)) else content_of(content)
        if calls_only and messages and messages[-1].role == "assistant":
            if learned is ((len(messages) - 1) in untaught):
                raise RowError("calls of one turn are partly to be learned", found=shown(content))
            messages[-1] = replace(messages[-1], tool_calls=(*messages[-1].tool_calls, *calls))
            continue
        thoughts = next((key for key in REASONING if not is_empty(item.get(key))), "")
        if thoughts and role != "assistant":
            raise RowError(f"a message of role {role} has reasoning", thoughts, found=thoughts)
        if role == "assistant" and not learned:
            untaught.append(len(messages))
        messages.append(
            Message(
                role,
                text,
                tuple(calls),
                tool_call_id=_named(item, "tool_call_id") if role == "tool" else "",
                name=_named(item, "name") if role == "tool" else "",
                reasoning=text_of(item[thoughts], thoughts) if thoughts else "",
            )
        )
    return Spoken(tuple(messages), tuple(untaught))


def _named(item: Mapping[str, object], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _calls_of(item: Mapping[str, object]) -> tuple[ToolCall, ...]:
    """Return the calls beside a message's text: OpenAI's list, or its older single one."""
    for key in ("tool_calls", "function_call"):
        if not is_empty(value := item.get(key)):
            return _calls(value, key)
    return ()


def _calls(value: object, key: str) -> tuple[ToolCall, ...]:
    """Return one call or a list of them, as values or as JSON text."""
    if isinstance(value, str):
        try:
            value = parse_json(value, "", digits=NUMBER_DIGITS, surrogates=True)
        except InputError:
            raise RowError("a call of a tool is no JSON", key, found=shown(value)) from None
    listed = value if isinstance(value, list) else [value]
    calls = tuple(ToolCall.read(_without_nulls(call)) for call in listed)
    for call, given in zip(calls, listed, strict=True):
        if call.malformed or not call.name:
            raise RowError(
                "a call of a tool is malformed",
                key,
                found=shown(given),
                expected='{"name": "...", "arguments": {...}}',
            )
    return calls


def _without_nulls(call: object) -> object:
    """Return a call without arguments that say nothing: Parquet gives every row all keys."""
    if not isinstance(call, Mapping):
        return call
    inner = call.get("function")
    if isinstance(inner, Mapping):
        return {**call, "function": _without_nulls(inner)}
    given = call.get("arguments")
    if not isinstance(given, Mapping):
        return call
    return {**call, "arguments": {k: v for k, v in given.items() if v is not None}}


def content_of(content: object) -> str:
    """Return a text, or OpenAI's list of parts, as long as all of them are texts."""
    if not isinstance(content, list):
        return text_of(content, "content")
    parts = []
    for part in content:
        kind = part.get("type", "text") if isinstance(part, Mapping) else None
        if kind not in (None, "text", "input_text", "output_text"):
            raise RowError(
                "a message has more than text, and would be trained on without it",
                "content",
                found=shown(kind),
                hint="take rows with images, videos or sound out: only texts are trained",
            )
        parts.append(text_of(part.get("text") if isinstance(part, Mapping) else None, "content"))
    return "".join(parts)


def text_of(value: object, key: str) -> str:
    """Return the text of a column; raise RowError for anything else."""
    if not isinstance(value, str):
        raise RowError(f"{key!r} is no text", key, found=shown(value))
    return value


def listed(value: object, key: str) -> Spoken:
    """Return the conversation of a column that is a list of messages, as JSON text too."""
    messages = parsed(value)
    if not isinstance(messages, list) or not messages:
        raise RowError(f"{key!r} is no list of messages", key, found=shown(messages))
    return spoken(messages)
