"""The one converter: rows in any of the usual shapes to conversations."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.common import Message, Messages, shown
from harness.training.rows.meaning import (
    COLUMNS,
    RowError,
    check_row,
    is_empty,
    parsed,
    plain,
    tools_of,
)
from harness.training.rows.spoken import Spoken, listed, spoken, text_of

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of a shape: of the question and the answer, or of a list of messages.

    `more` is the key of a text that belongs to the question.
    """

    name: str
    keys: tuple[str, ...]
    more: str = ""

    @property
    def optional(self) -> tuple[str, ...]:
        """Return what a row of this shape may have besides."""
        asked = ("history", *((self.more,) if self.more else ())) if len(self.keys) > 1 else ()
        return (*SYSTEM, *asked)


SYSTEM = ("system", "system_prompt", "system_message")
SHAPES = (
    Shape("messages", ("messages",)),
    Shape("ShareGPT", ("conversations",)),
    Shape("Alpaca", ("instruction", "output"), "input"),
    Shape("Dolly", ("instruction", "response"), "context"),
    Shape("query and response", ("query", "response")),
    Shape("prompt and completion", ("prompt", "completion")),
    Shape("prompt and response", ("prompt", "response")),
    Shape("question and answer", ("question", "answer")),
    Shape("question and response", ("question", "response")),
    Shape("input and output", ("input", "output")),
)
GROUPS = ("group", "conversation_id")
# Keys whose text is part of a question or an answer in some shape, or in some public data set.
_TEXTS = (
    *dict.fromkeys(key for shape in SHAPES for key in (*shape.keys, shape.more) if key),
    "history", "choices", "options", "passage", "passages", "contexts", "documents", "knowledge",
    "few_shot", "few_shots", "demonstrations", "segments", "completions", "suffix", "developer",
    "system_instruction",
)  # fmt: skip
_KNOWN = {plain(key): key for key in (*_TEXTS, *SYSTEM, *GROUPS, *COLUMNS)}
# From this similarity on, a key is one of the optional ones, written wrongly.
_TYPO = 0.8


def converted(values: Values) -> Spoken:
    """Return the conversation of a row. Raise RowError, without a place."""
    check_row(values)
    shape = _shape_of(values)
    found = _said(values, shape)
    for other in SHAPES:
        twice = all(not is_empty(values.get(key)) for key in other.keys)
        more = set(other.keys) - {*shape.keys, shape.more}
        if twice and more and _said(values, other) != found:
            raise RowError(
                "the row has two shapes, and they do not say the same",
                next(key for key in other.keys if key in more),
                found=f"{', '.join(shape.keys)} ({shape.name}) and {', '.join(other.keys)} "
                f"({other.name})",
                hint="take out the keys that are not to be learned",
            )
    check_keys(values, shape, found.messages)
    found = with_system(found, values)
    return replace(found, tools=tools_of(values))


def with_system(found: Spoken, values: Values) -> Spoken:
    """Return the conversation with the row's system prompt, which stands in a column of its own."""
    # An empty cell is none; a list of messages can hold an empty system prompt.
    said = [key for key in SYSTEM if values.get(key) not in (None, "")]
    if not said:
        return found
    if len(said) > 1 or (found.messages and found.messages[0].role == "system"):
        raise RowError(
            "the row has two system prompts",
            said[0],
            expected=f"{said[0]!r} or a system message",
        )
    system = Message("system", text_of(values[said[0]], said[0]))
    places = tuple(at + 1 for at in found.untaught)
    return replace(found, messages=(system, *found.messages), untaught=places)


def group_of(values: Values) -> str:
    """Return a row's `group` or `conversation_id`: equal ones stay on one side of a split."""
    given = next((values[key] for key in GROUPS if values.get(key) is not None), "")
    return str(given)


# -- which shape -----------------------------------------------------------------------------------


def _shape_of(values: Values) -> Shape:
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
    raise RowError(
        "the row has no shape that is known",
        found=", ".join(map(str, values))[:200] or "no key",
        expected=expected,
        did_you_mean=", ".join(meant),
    )


def check_keys(values: Values, shape: Shape, said: Messages) -> None:
    """Refuse keys whose text the shape would leave out, and those that are nearly known ones.

    Other columns (scores, sources, ...) change nothing in what is said, and are left alone.
    """
    absent = [key for key in shape.optional if key not in values]
    texts = {message.content.strip() for message in said}
    for key, value in values.items():
        if key in shape.keys or key in shape.optional or key in GROUPS:
            continue
        meant = _KNOWN.get(plain(key), "")
        close = difflib.get_close_matches(str(key), absent, n=1, cutoff=_TYPO)
        if meant != key and (meant or close):
            raise RowError(
                f"key {key!r} is not known",
                str(key),
                did_you_mean=meant or close[0],
                hint="rename the key, or take it out",
            )
        if key in _TEXTS and not is_empty(value) and not _is_said(value, texts):
            raise RowError(
                f"{key!r} stands beside {', '.join(shape.keys)}, and would be left out",
                str(key),
                found=shown(value),
                hint="write it into the question, or take the key out",
            )


def _is_said(value: object, texts: set[str]) -> bool:
    """Return whether a column repeats what the conversation says: a text of it, or messages."""
    if isinstance(value, str) and value.strip() in texts:
        return True
    messages = parsed(value)
    if not isinstance(messages, list):
        return False
    try:
        return all(message.content.strip() in texts for message in spoken(messages).messages)
    except RowError:
        return False


# -- questions and answers -------------------------------------------------------------------------


def _said(values: Values, shape: Shape) -> Spoken:
    if len(shape.keys) == 1:
        return listed(values[shape.keys[0]], shape.keys[0])
    asked, answered = shape.keys
    question, answer = values[asked], values[answered]
    if isinstance(question, list) and isinstance(answer, list):  # trl's conversational form
        return spoken([*question, *answer])
    last = Message("assistant", text_of(answer, answered))
    return Spoken((*question_of(values, asked, shape.more), last))


def question_of(values: Values, asked: str, more: str) -> Messages:
    """Return what is asked, with what belongs to it and the turns before."""
    user = text_of(values[asked], asked)
    added = values.get(more) if more else None
    if added is not None and (text := text_of(added, more)).strip():
        user = f"{user}\n\n{text}"
    return (*_history(parsed(values.get("history"))), Message("user", user))


def _history(pairs: object) -> Iterator[Message]:
    """Read earlier turns: a list of pairs of question and answer."""
    if pairs is None or pairs == "":
        return
    if not isinstance(pairs, list):
        raise RowError("'history' is no list", "history", found=shown(pairs))
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise RowError("'history' is no list of pairs", "history", found=shown(pair))
        yield Message("user", text_of(pair[0], "history"))
        yield Message("assistant", text_of(pair[1], "history"))
