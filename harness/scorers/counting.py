"""Words, sentences, lines and paragraphs of a text in any script, offline.

Words of scripts that are written with spaces are counted by spaces and punctuation. Han
characters and kana count one each, as word processors count them. Thai, Lao, Khmer, Myanmar and
Tibetan show neither: their count is a range, from one a run to one a syllable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import regex

# A word: letters, marks and digits; apostrophes, hyphens and points join two of them ("don't",
# "well-known", "e.g", "example.com"), commas and colons only two digits ("1,000", "10:30").
_EACH = r"[\p{Han}\p{Hiragana}\p{Katakana}々〆ーｰ]"
_RUN = r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
_PLAIN = rf"(?:(?!{_EACH}|{_RUN})[\p{{L}}\p{{M}}\p{{Nd}}\p{{Nl}}\p{{No}}_])"
_WORD = regex.compile(
    rf"(?P<each>{_EACH}\p{{M}}*+)|(?P<run>{_RUN}++)"
    rf"|{_PLAIN}++(?:(?:['’ʼ\-‐‑.@&/+](?={_PLAIN})|(?<=\p{{Nd}})[,:٫٬](?=\p{{Nd}})){_PLAIN}++)*+"
)
_SYLLABLE = regex.compile(r"[\p{L}]")
# The same for ASCII text, ten times as fast.
_ASCII_WORD = re.compile(r"\w++(?:(?:['\-.@&/+](?=\w)|(?<=\d)[,:](?=\d))\w++)*+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Range:
    """A count that lies between `low` and `high`; most counts are exact."""

    low: int
    high: int


def words(text: str) -> list[str]:
    """The words of a text in order; a run of Thai, Lao, Khmer, Myanmar or Tibetan is one."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return [match[0] for match in _WORD.finditer(text)]


def count_words(text: str) -> Range:
    """How many words a text has."""
    if text.isascii():
        count = len(words(text))
        return Range(count, count)
    low = high = 0
    for match in _WORD.finditer(text):
        low += 1
        high += max(1, len(_SYLLABLE.findall(match[0]))) if match["run"] else 1  # a lone vowel sign
    return Range(low, high)


_BREAK = regex.compile(r"\r\n|[\n\r\u0085\u2028\u2029]")
_VISIBLE = regex.compile(r"[^\s\p{Cc}\p{Cf}]")


def lines(text: str) -> list[str]:
    """All lines of a text, blank ones too."""
    return _BREAK.split(text)


def filled_lines(text: str) -> list[str]:
    """The lines that have something visible in them."""
    return [line for line in lines(text) if _VISIBLE.search(line)]


_TEXT = regex.compile(r"[\p{L}\p{N}\p{So}]")


def has_text(text: str) -> bool:
    """Whether there is a letter, a number or a symbol such as an emoji."""
    return bool(_TEXT.search(text))
