"""Words, lines and visible text of an answer in any script, offline.

Words of scripts that are written with spaces are counted by spaces and punctuation. Han
characters and kana count one each, as word processors count them. Thai, Lao, Khmer, Myanmar and
Tibetan show neither: their count is a range, from one a run to one a syllable. Characters that are
not to be seen (joiners, soft hyphens) part no words, and an address is one.
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
# All default-ignorable characters but the zero-width space, which parts words (Unicode, UAX #29).
_UNSEEN = regex.compile(r"[\p{Default_Ignorable_Code_Point}--[\u200b\p{M}]]", regex.VERSION1)
# An address; what ends a sentence behind it is no part of it.
_ADDRESS = re.compile(
    r"(?:\b(?:https?|ftp)://|\bwww\.(?=\w))[\w\-.~:/?#\[\]@!$&'()*+,;=%]*[\w/=&%#~-]", re.ASCII
)


def _bare(text: str) -> str:
    """Return the text without what is not to be seen, with each address joined to one word."""
    if not text.isascii():
        text = _UNSEEN.sub("", text)
    if "://" in text or "www." in text:
        text = _ADDRESS.sub(lambda address: re.sub(r"\W", "_", address[0]), text)
    return text


@dataclass(frozen=True, slots=True)
class Range:
    """A count that lies between `low` and `high`; most counts are exact."""

    low: int
    high: int


def words(text: str) -> list[str]:
    """Return the words of a text in order.

    A run of Thai, Lao, Khmer, Myanmar or Tibetan is one, and so is an address.
    """
    text = _bare(text)
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return [match[0] for match in _WORD.finditer(text)]


def count_words(text: str) -> Range:
    """Return how many words a text has."""
    text = _bare(text)
    if text.isascii():
        count = len(_ASCII_WORD.findall(text))
        return Range(count, count)
    low = high = 0
    for match in _WORD.finditer(text):
        low += 1
        high += max(1, len(_SYLLABLE.findall(match[0]))) if match["run"] else 1  # a lone vowel sign
    return Range(low, high)


_BREAK = regex.compile(r"\r\n|[\n\r\u0085\u2028\u2029]")
_VISIBLE = regex.compile(r"[^\s\p{Cc}\p{Cf}]")


def lines(text: str) -> list[str]:
    """Return all lines of a text, blank ones too."""
    return _BREAK.split(text)


def filled_lines(text: str) -> list[str]:
    """Return the lines that have something visible in them."""
    return [line for line in lines(text) if _VISIBLE.search(line)]


_TEXT = regex.compile(r"[\p{L}\p{N}\p{So}]")


def has_text(text: str) -> bool:
    """Return whether there is a letter, a number or a symbol such as an emoji."""
    return bool(_TEXT.search(text))


_WORDS = regex.compile(r"[\p{L}\p{N}]")


def has_words(text: str) -> bool:
    """Return whether there is a letter or a number."""
    return bool(_WORDS.search(text))
