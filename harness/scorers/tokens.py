"""Words of any script, in lower case, for overlap and for text metrics."""

from __future__ import annotations

import regex

from harness.scorers.readable import nfkc

# Scripts that put no spaces between words: each sign (with its marks) is a token of its own.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_TOKEN = regex.compile(
    rf"[{UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{N}}]--[{UNSPACED}]]"
    rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]*(?:['’][\p{{Latin}}]{{1,3}})?",
    regex.VERSION1,
)


def tokens(text: str) -> list[str]:
    """The tokens of a text: words where there are spaces, else signs; NFKC, case folded."""
    return _TOKEN.findall(nfkc(text).casefold())


def spaced(text: str) -> bool:
    """Whether most tokens of the text are words between spaces."""
    found = tokens(text)
    return sum(len(token) > 1 for token in found) * 2 >= len(found)
