"""The one converter: rows in any of the usual shapes to messages."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.common import InputError, Message, Messages, Problem, Role, shown

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Shape:
    """The keys of a shape: of the question and the answer, or of a list of messages.

    `more` is the key of a text that belongs to the question.
    """

    name: str
    keys: tuple[str, ...]
    more: str = ""

    @property
    def optional(self) -> tuple[str, ...]:
        """What a row of this shape may have besides."""
        asked = ("history", *((self.more,) if self.more else ())) if len(self.keys) > 1 else ()
        return ("system", *asked)


SHAPES = (
    _Shape("messages", ("messages",)),
    _Shape("ShareGPT", ("conversations",)),
    _Shape("Alpaca", ("instruction", "output"), "input"),
    _Shape("Dolly", ("instruction", "response"), "context"),
    _Shape("query and response", ("query", "response")),
    _Shape("prompt and completion", ("prompt", "completion")),
    _Shape("prompt and response", ("prompt", "response")),
    _Shape("question and answer", ("question", "answer")),
)
GROUPS = ("group", "conversation_id")
# From this similarity on, a key is one of the optional ones, written wrongly.
_TYPO = 0.8
_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant",
    "bot": "assistant",
}  # fmt: skip
# Columns that change what a row or a message means. What they say is refused, not left alone.
_LESSONS = ("label", "kto_tag", "train", "loss")  # false: this is not to be learned
_PREFERENCES = ("chosen", "rejected", "chosen_response", "rejected_response")
_MEDIA = ("image", "images", "video", "videos", "audio", "audios")
_REASONING = ("reasoning_content", "reasoning", "thinking")
_TOOLS = ("tool", "function", "function_call", "tool_call", "tool_response", "observation")


def converted(values: Values) -> Messages:
    """Return the conversation of a row. Raise InputError with one problem, without a place."""
    shape = _shape_of(values)
    _check_keys(values, shape)
    _check_meaning(values, "the row")
    if preferences := [key for key in _PREFERENCES if values.get(key)]:
        raise _wrong(
            "the row prefers one answer to another, and would be trained on without its preference",
            found=", ".join(preferences),
            hint="keep the question and the answer to be learned, under keys of one shape",
        )
    said = _said(values, shape)
    for other in SHAPES:
        twice = other is not shape and all(values.get(key) is not None for key in other.keys)
        if twice and _said(values, other) != said:
            raise _wrong(
                "the row has two shapes, and they do not say the same",
                found=f"{', '.join(shape.keys)} ({shape.name}) and {', '.join(other.keys)} "
                f"({other.name})",
                hint="take out the keys that are not to be learned",
            )
    system = values.get("system")
    if system in (None, ""):  # an empty cell; a list of messages can hold an empty system prompt
        return said
    if said and said[0].role == "system":
        raise _wrong("the row has two system prompts", expected="'system' or a system message")
    return (Message("system", _text(system, "system")), *said)


def _said(values: Values, shape: _Shape) -> Messages:
    return _listed(values, shape) if len(shape.keys) == 1 else _asked(values, shape)


def group_of(values: Values) -> str:
    """Return a row's `group` or `conversation_id`: equal ones stay on one side of a split."""
    given = next((values[key] for key in GROUPS if values.get(key) is not None), "")
    return str(given)


# -- which shape -----------------------------------------------------------------------------------


def _shape_of(values: Values) -> _Shape:
    for shape in SHAPES:
        there = [values[key] for key in shape.keys if key in values]
        if len(there) == len(shape.keys) and any(value is not None for value in there):
            return shape
    expected = "; ".join(f"{', '.join(shape.keys)} ({shape.name})" for shape in SHAPES[:6])
    known = dict.fromkeys(key for shape in SHAPES for key in shape.keys)
    meant = [
        close
        for key in values
        if key not in known
        for close in difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
    ]
    raise _wrong(
        "the row has no shape that is known",
        found=", ".join(map(str, values))[:200] or "no key",
        expected=expected,
        did_you_mean=", ".join(meant),
    )


def _check_keys(values: Values, shape: _Shape) -> None:
    """Other columns are left alone; one that is nearly `system` would be lost without a word."""
    absent = [key for key in shape.optional if key not in values]
    for key in values:
        if key in shape.keys or key in shape.optional or key in GROUPS:
            continue
        if close := difflib.get_close_matches(str(key), absent, n=1, cutoff=_TYPO):
            raise _wrong(
                f"key {key!r} is not known",
                did_you_mean=close[0],
                hint="rename the key, or take it out",
            )


def _check_meaning(values: Values, what: str) -> None:
    """Refuse what says that a row or a message is more, or less, than its text."""
    off = [key for key in _LESSONS if values.get(key) is False]
    weight = values.get("weight")
    if isinstance(weight, int | float) and weight != 1:
        off.append("weight")
    off += [key for key in ("train_detail", "loss_scale") if values.get(key) not in (None, [], 1)]
    if off:
        raise _wrong(
            f"{what} is marked as not to be learned, or not as it stands",
            found=f"{off[0]}: {shown(values[off[0]])}",
            hint="every answer of a row is learned whole: make one row for each that should be",
        )
    if media := [key for key in _MEDIA if values.get(key)]:
        raise _wrong(
            f"{what} has more than text, and would be trained on without it",
            found=", ".join(media),
            hint="take rows with images, videos or sound out: only texts are trained",
        )
    if thoughts := [key for key in _REASONING if values.get(key)]:
        raise _wrong(
            f"{what} keeps its reasoning apart, and it would be lost",
            found=", ".join(thoughts),
            hint="write it into the content as the model does, or take the key out",
        )


# -- questions and answers -------------------------------------------------------------------------


def _asked(values: Values, shape: _Shape) -> Messages:
    asked, answered = shape.keys
    question, answer = values[asked], values[answered]
    if isinstance(question, list) and isinstance(answer, list):  # trl's conversational form
        return (*_spoken_all(question), *_spoken_all(answer))
    user = _text(question, asked)
    more = values.get(shape.more) if shape.more else None
    if more is not None and (added := _text(more, shape.more)).strip():
        user = f"{user}\n\n{added}"
    last = (Message("user", user), Message("assistant", _text(answer, answered)))
    return (*_history(_parsed(values.get("history"))), *last)


def _history(pairs: object) -> Iterator[Message]:
    """Read earlier turns: a list of pairs of question and answer."""
    if pairs is None or pairs == "":
        return
    if not isinstance(pairs, list):
        raise _wrong("'history' is no list", found=shown(pairs))
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise _wrong("'history' is no list of pairs", found=shown(pair))
        yield Message("user", _text(pair[0], "history"))
        yield Message("assistant", _text(pair[1], "history"))


# -- lists of messages -----------------------------------------------------------------------------


def _listed(values: Values, shape: _Shape) -> Messages:
    key = shape.keys[0]
    messages = _parsed(values[key])
    if not isinstance(messages, list) or not messages:
        raise _wrong(f"{key!r} is no list of messages", found=shown(messages))
    return tuple(_spoken_all(messages))


def _spoken_all(messages: Iterable[object]) -> Messages:
    return tuple(_spoken(message) for message in messages)


def _spoken(message: object) -> Message:
    if not isinstance(message, Mapping):
        raise _wrong("a message is a mapping", found=shown(message))
    speaker = message.get("role", message.get("from"))
    role = _ROLES.get(speaker) if isinstance(speaker, str) else None
    if role is None:
        raise _unknown_speaker(speaker)
    if message.get("tool_calls"):
        raise _unknown_speaker("tool_call")
    _check_meaning(message, "a message")
    return Message(role, _content(message.get("content", message.get("value"))))


def _unknown_speaker(speaker: object) -> InputError:
    if speaker in _TOOLS:
        hint = "take the rows with tool calls out: only system, user and assistant are trained"
        return _wrong("tool calls are not supported", found=shown(speaker), hint=hint)
    close = difflib.get_close_matches(str(speaker), _ROLES, n=1)
    expected = "system, user or assistant (human, gpt)"
    return _wrong(
        "the speaker of a message is not known",
        found=shown(speaker),
        expected=expected,
        did_you_mean=close[0] if close else "",
    )


def _content(content: object) -> str:
    """Return a text, or OpenAI's list of parts, as long as all of them are texts."""
    if not isinstance(content, list):
        return _text(content, "content")
    parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
    return "".join(_text(part, "content") for part in parts)


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise _wrong(f"{key!r} is no text", found=shown(value))
    return value


def _parsed(value: object) -> object:
    """Return a list that stands as JSON in a cell of a table."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _wrong(message: str, **parts: str) -> InputError:
    return InputError(Problem(message, **parts))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Mark:
    """A template's mark in a text: the family it belongs to, and where it stands (from 0)."""

    family: str
    text: str
    at: int


# The control texts of each family, as its models' published chat templates write them.
_CONTROL = {
    "ChatML (Qwen)": ("<|im_start|>", "<|im_end|>"),
    "Llama 3": ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|begin_of_text|>"),
    "Llama 4": ("<|header_start|>", "<|header_end|>", "<|eot|>"),
    "Llama 2 and Mistral": (
        "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]",
    ),
    "Gemma": ("<start_of_turn>", "<end_of_turn>"),
    "Phi-3 and Zephyr": ("<|user|>", "<|assistant|>", "<|system|>"),
    "DeepSeek": (
        "<｜User｜>", "<｜Assistant｜>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>",
    ),
    "GPT-OSS": ("<|channel|>", "<|message|>"),
    "Command R": ("<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
    "GPT-2": ("<|endoftext|>",),
}  # fmt: skip
_FAMILY = {mark: family for family, marks in _CONTROL.items() for mark in marks}
_ANY_CONTROL = re.compile("|".join(re.escape(mark) for mark in _FAMILY))
# Headings and speakers are ordinary text in the middle of a line. Vicuna's speakers count in pairs.
_ALPACA = re.compile(r"^### (?:Instruction|Input|Response):", re.MULTILINE)
_USER = re.compile(r"^USER:", re.MULTILINE)
_ASSISTANT = re.compile(r"\bASSISTANT:")


def marks_in(text: str) -> tuple[Mark, ...]:
    """Return all marks of chat templates in a text, in order."""
    return tuple(sorted(_found(text), key=lambda mark: mark.at))


def template_families(template: str) -> tuple[str, ...]:
    """Return the families whose marks a chat template (its Jinja source) writes, each once."""
    plain = template.replace("\\n", "\n").replace("'", "\n").replace('"', "\n")
    return tuple(dict.fromkeys(mark.family for mark in marks_in(plain)))


def _found(text: str) -> Iterator[Mark]:
    for found in _ANY_CONTROL.finditer(text):
        yield Mark(_FAMILY[found[0]], found[0], found.start())
    for found in _ALPACA.finditer(text):
        yield Mark("Alpaca", found[0], found.start())
    user = _USER.search(text)
    if user and _ASSISTANT.search(text, user.end()):
        yield Mark("Vicuna", user[0], user.start())


def check(messages: Messages) -> None:
    """An optional system prompt, then user and assistant in turns; the last word is an answer.

    Raise InputError with one problem, without a place.
    """
    turns = messages[1:] if messages and messages[0].role == "system" else messages
    expected = [("user", "assistant")[at % 2] for at in range(len(turns))]
    if not turns or [turn.role for turn in turns] != expected:
        found = ", ".join(message.role for message in messages)[:200] or "no message"
        raise InputError(Problem("user and assistant do not take turns", found=found))
    if turns[-1].role == "user":
        raise InputError(
            Problem(
                "the conversation ends with the user: there is no answer to learn",
                found=shown(turns[-1].content),
            )
        )
    for message in messages:
        _check_text(message)


def _check_text(message: Message) -> None:
    try:
        message.content.encode()
    except UnicodeEncodeError:
        raise InputError(Problem("not valid text: half of a surrogate pair")) from None
    if found := marks_in(message.content):
        raise InputError(foreign(found[0]))


def foreign(mark: Mark) -> Problem:
    """Return a text that was rendered in a chat template already."""
    return Problem(
        f"the text is rendered in the chat template of {mark.family}",
        found=mark.text,
        expected="plain texts as messages: the model's own chat template is put around them",
        hint="take the marks out; give the turns as messages with role and content",
    )
