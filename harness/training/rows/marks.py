"""Marks of chat templates inside texts: a row that was rendered for some model already.

The model's own chat template is put around every conversation, in training as at inference. A text
that brings marks of a template along would be rendered twice, or in another model's language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


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
    """All marks of chat templates in a text, in order."""
    return tuple(sorted(_found(text), key=lambda mark: mark.at))


def template_families(template: str) -> tuple[str, ...]:
    """The families whose marks a chat template (its Jinja source) writes, each once."""
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
