"""What every conversation must be, whatever shape it came in, and the marks of chat templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.common import InputError, Message, Messages, Problem, nearest, shown
from harness.scorers import Tool, tool_name


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


def check(messages: Messages, tools: Sequence[Tool] = ()) -> None:
    """Demand an optional system prompt, then user and assistant in turns, the last an answer.

    An answer may call tools; then what they give back comes next, and the assistant again. Raise
    InputError with one problem, without a place.
    """
    turns = messages[1:] if messages and messages[0].role == "system" else messages
    said = ", ".join(message.role for message in messages)[:200] or "no message"
    before: Message | None = None  # the last message that is no tool's
    given = 0  # what tools gave back since
    for message in turns:
        called = before.tool_calls if before is not None else ()
        if message.role == "tool":
            given += 1
            if given > len(called):
                raise InputError(Problem("a tool answers that was not called", found=said))
            known = [call.id for call in called if call.id]
            if message.tool_call_id and known and message.tool_call_id not in known:
                raise InputError(
                    Problem(
                        "a tool answers a call that was not made",
                        found=shown(message.tool_call_id),
                        expected=", ".join(known)[:200],
                    )
                )
            continue
        expected = "user"
        if before is not None and (before.role == "user" or given):
            expected = "assistant"
        if message.role != expected:
            raise InputError(Problem("user and assistant do not take turns", found=said))
        before, given = message, 0
    if before is None:
        raise InputError(Problem("user and assistant do not take turns", found=said))
    if before.role == "user" or given:
        who = "a tool" if given else "the user"
        raise InputError(
            Problem(
                f"the conversation ends with {who}: there is no answer to learn",
                found=shown(turns[-1].content),
            )
        )
    _check_calls(messages, tools)
    for message in messages:
        text = f"{message.content}{message.reasoning}"
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(Problem("not valid text: half of a surrogate pair")) from None
        if found := marks_in(text):
            raise InputError(foreign(found[0]))


def _check_calls(messages: Messages, tools: Sequence[Tool]) -> None:
    """Demand that what is called is declared: the model sees the declarations in its prompt."""
    declared = [tool_name(tool) for tool in tools]
    for call in (call for message in messages for call in message.tool_calls):
        if call.malformed:
            raise InputError(
                Problem(
                    "a call of a tool is malformed",
                    found=shown(call.arguments),
                    expected='{"name": "...", "arguments": {...}}',
                )
            )
        if call.name not in declared:
            hint = "declare in the column tools what the model may call"
            raise InputError(
                Problem(
                    f"the row calls {call.name!r}, and declares no such tool",
                    expected=", ".join(declared)[:200],
                    did_you_mean=nearest(call.name, declared),
                    hint="" if declared else hint,
                )
            )


def foreign(mark: Mark) -> Problem:
    """Return a text that was rendered in a chat template already."""
    return Problem(
        f"the text is rendered in the chat template of {mark.family}",
        found=mark.text,
        expected="plain texts as messages: the model's own chat template is put around them",
        hint="take the marks out; give the turns as messages with role and content",
    )
