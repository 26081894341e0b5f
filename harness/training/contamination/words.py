"""Texts as words and as letters: what is compared, whatever the case, spaces and punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import regex

from harness.scorers.unicode_text import nfkc

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}"
# Signs of scripts without spaces are words of their own.
_WORD = regex.compile(
    rf"[{_UNSPACED}]\p{{M}}*+|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]++", regex.VERSION1
)
# 7,858,243 and 7 858 243 are the number 7858243.
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:[,.'’ ]\d{3})+(?![\d]|[.,]\d)")
_SIGN = regex.compile(rf"[{_UNSPACED}]")
# Letters that a shingle has; five hold a word of the middle length.
SHINGLE = 5

Words = tuple[str, ...]


def words(text: str) -> Words:
    """Return the words of a text in order, in small letters."""
    plain = _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), nfkc(text).casefold())
    return tuple(_WORD.findall(plain))


def squeezed(text: str) -> str:
    """Return the letters and digits of a text, and nothing between them."""
    return "".join(_WORD.findall(nfkc(text).casefold()))


def length(said: Words) -> float:
    """Return how many words these are; a sign of a script without spaces counts as half a word."""
    return sum(0.5 if _is_sign(word) else 1.0 for word in said)


def ngrams(said: Words, n: int) -> Iterator[Words]:
    """Yield runs of n words, as `length` counts them; the last sign may reach over by a half."""
    if not any(_is_sign(word) for word in said):
        yield from (said[at : at + n] for at in range(len(said) - n + 1))
        return
    weights = [1 if _is_sign(word) else 2 for word in said]
    end = total = 0
    for at, first in enumerate(weights):
        while total < 2 * n and end < len(said):
            total += weights[end]
            end += 1
        if total < 2 * n:
            return
        yield said[at:end]
        total -= first


def spaced(said: Words) -> str:
    """Return the words as one text with a space at both ends, to look for runs of words in."""
    return f" {' '.join(said)} "


def pairs(said: Words) -> Iterator[Words]:
    """Return each two words in a row."""
    return pairwise(said)


def _is_sign(word: str) -> bool:
    return word[0] >= "\u2e80" and bool(_SIGN.match(word))


def shingles(letters: str) -> set[str]:
    """Return all runs of five letters."""
    return {letters[at : at + SHINGLE] for at in range(len(letters) - SHINGLE + 1)}
