"""The one validator: what every conversation must be before anything is learned from it."""

from __future__ import annotations

from harness.chat import Message, Messages
from harness.errors import InputError, Problem
from harness.scorers.limits import shown
from harness.training.rows.marks import Mark, marks_in


def check(messages: Messages) -> None:
    """An optional system prompt, then user and assistant in turns; the last word is an answer.

    Raises InputError with one problem, without a place.
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
    """A text that was rendered in a chat template already."""
    return Problem(
        f"the text is rendered in the chat template of {mark.family}",
        found=mark.text,
        wanted="plain texts as messages: the model's own chat template is put around them",
        mend="take the marks out; give the turns as messages with role and content",
    )
