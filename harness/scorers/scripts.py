"""Writing systems: which one a letter belongs to, and which ones a language is written in.

The Unicode tables are those of the `regex` package, the same on every Python version.
"""

from __future__ import annotations

from collections import Counter
from string import ascii_letters

import regex

# Kana is Hiragana and Katakana; names are those of Unicode, in lower case.
SCRIPTS = (
    "latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "bengali", "gurmukhi",
    "gujarati", "tamil", "telugu", "kannada", "malayalam", "sinhala", "thai", "lao", "khmer",
    "myanmar", "georgian", "armenian", "ethiopic", "hangul", "kana", "han",
)  # fmt: skip

_CLASSES = {
    "kana": r"\p{Script=Hiragana}\p{Script=Katakana}ー",
    "han": r"\p{Script=Han}々",
} | {name: rf"\p{{Script={name.capitalize()}}}" for name in SCRIPTS if name not in ("kana", "han")}
_LETTERS = {
    name: regex.compile(f"[{klass}&&\\p{{L}}]", regex.V1) for name, klass in _CLASSES.items()
}
_ANY = regex.compile(r"\p{L}")

# Scripts in which one language of everyday use is written, or nearly so.
SOLE_LANGUAGE = {
    "greek": "el", "hebrew": "he", "bengali": "bn", "gurmukhi": "pa", "gujarati": "gu",
    "tamil": "ta", "telugu": "te", "kannada": "kn", "malayalam": "ml", "sinhala": "si",
    "thai": "th", "lao": "lo", "khmer": "km", "myanmar": "my", "georgian": "ka", "armenian": "hy",
    "ethiopic": "am", "hangul": "ko",
}  # fmt: skip


_NO_LETTERS = dict.fromkeys(map(ord, ascii_letters))


def letters(text: str) -> int:
    """How many letters of any script the text has."""
    if text.isascii():
        return len(text) - len(text.translate(_NO_LETTERS))
    return len(_ANY.findall(text))


def count(text: str) -> Counter[str]:
    """Letters of the text by script, most frequent first; other scripts count as `other`."""
    total = letters(text)
    if text.isascii():
        return Counter({"latin": total} if total else {})
    found: Counter[str] = Counter()
    for name, pattern in _LETTERS.items():
        if number := len(pattern.findall(text)):
            found[name] = number
        if found.total() >= total:
            break
    if total > found.total():
        found["other"] = total - found.total()
    return Counter(dict(found.most_common()))


def of_word(word: str) -> frozenset[str]:
    """The scripts that the letters of a word belong to."""
    return _LATIN if word.isascii() and word.isalpha() else frozenset(count(word))


_LATIN = frozenset({"latin"})
