"""Text compared as readers compare it: NFC-normalised, case-folded on demand, whole words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import regex

# Normalisation takes quadratic time on a long run of combining marks. UAX #15 (stream-safe text
# format) cuts such runs after 30 with a combining grapheme joiner; no language has longer ones.
_RUN = regex.compile(r"(\p{M}{30})(?=\p{M})")
_JOINER = "\u034f"

# Scripts that are written without spaces between words.
_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}ー々〆]"
)
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}_]")
_DIGIT = regex.compile(r"\p{Nd}")


def nfc(text: str) -> str:
    """`text` in Unicode normal form C, in linear time on any input."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _RUN.sub(rf"\1{_JOINER}", text))


def folded(text: str) -> str:
    """`text` without difference of case: `Straße` and `STRASSE` become equal."""
    return nfc(nfc(text).casefold())


def find(needle: str, text: str, *, whole_word: bool = False) -> int:
    """Where `needle` first stands in `text`, both normalised alike; -1 where it does not."""
    places = occurrences(needle, text, whole_word=whole_word)
    return next(places, -1)


def occurrences(needle: str, text: str, *, whole_word: bool = False) -> Iterator[int]:
    """Where `needle` stands in `text`, without overlap; both must be normalised alike.

    A whole word has no letter, digit, mark or underscore joined to either end. Scripts written
    without spaces (Han, kana, Thai, Lao, Khmer, Myanmar, Tibetan) show no word boundaries: there,
    and where they meet another script, every place is one. A decimal point or a group separator
    joins two digits: `3` is not a whole word of `3.14`.
    """
    start = text.find(needle) if needle else -1
    while start != -1:
        end = start + len(needle)
        if not whole_word or (_boundary(text, start) and _boundary(text, end)):
            yield start
            start = text.find(needle, end)
        else:
            start = text.find(needle, start + 1)


def _boundary(text: str, place: int) -> bool:
    """Whether a word may begin or end before `text[place]`."""
    if place in (0, len(text)):
        return True
    left, right = text[place - 1], text[place]
    if _WORD.match(left) and _WORD.match(right):
        marks = unicodedata.combining(right) or unicodedata.category(right).startswith("M")
        return not marks and bool(_UNSPACED.match(left) or _UNSPACED.match(right))
    return not _inside_number(text, place)


def _inside_number(text: str, place: int) -> bool:
    """Whether `place` is beside a point or comma between two digits."""
    for point in (place - 1, place):
        around = text[max(point - 1, 0) : point + 2]
        if (
            len(around) == 3
            and around[1] in ".,٫٬’'"
            and _DIGIT.match(around[0])
            and _DIGIT.match(around[2])
        ):
            return True
    return False
