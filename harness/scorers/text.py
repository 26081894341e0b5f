"""Checks on the plain text of an answer: equals, contains, regex, ..."""

from __future__ import annotations

import unicodedata

from harness.scorers.registry import Args, scorer
from harness.scorers.values import Answer, Context, Finding, verdict


class ContainsArgs(Args):
    """The text to look for."""

    text: str
    ignore_case: bool = False
    whole_word: bool = False


@scorer("contains", version=1, shorthand="text")
def contains(answer: Answer, context: Context, args: ContainsArgs) -> Finding:
    """The answer has the given text in it."""
    found = unicodedata.normalize("NFC", args.text) in unicodedata.normalize("NFC", answer.text)
    return verdict(found, f"{args.text!r} {'found' if found else 'not found'}")
