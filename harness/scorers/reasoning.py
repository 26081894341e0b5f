"""A model's visible thinking, which is no part of its answer."""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


def strip_reasoning(text: str) -> str:
    """The answer without its reasoning.

    Chat templates of reasoning models often open the block in the prompt, so a closing tag counts
    without an opening one. A block that was never closed was cut off: there is no answer then.
    """
    if _CLOSE in text:
        return text.rpartition(_CLOSE)[2].lstrip()
    return "" if text.lstrip().startswith(_OPEN) else text
