"""A check of the user: `python: {ref: "harness.scorers.examples:polite", words: [please]}`."""

from __future__ import annotations

from collections.abc import Sequence

from harness.scorers.values import Answer, Context


def polite(answer: Answer, context: Context, words: Sequence[str]) -> bool:
    """Return whether the answer has one of the polite words."""
    text = answer.text.casefold()
    return any(word.casefold() in text for word in words)
