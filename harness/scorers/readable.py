"""The part of an answer that is prose of its own: bounded, without code, links, quotations."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import regex

from harness.scorers.scripts import letters

# Long enough for any answer of a model (about 60,000 tokens), short enough for a few milliseconds.
LIMIT = 200_000

_INVISIBLE = regex.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]"  # ANSI escapes
    r"|[\p{Cc}--[\t\n\r]]|[\u200b\u200c\u2060\ufeff\u00ad\p{Cs}]",
    regex.VERSION1,
)
_FENCE = regex.compile(r"(?ms)^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[^\n]*$|\Z)")
_INLINE = regex.compile(r"`[^`\n]{1,300}`")
_MATH = regex.compile(r"\$\$[^$]{1,2000}\$\$|\\\([^\n]{1,500}?\\\)|\\\[[^$]{1,2000}?\\\]")
_LINK = regex.compile(
    r"(?:https?://|www\.)[^\s<>\])]{1,2000}|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"
)
_TARGET = regex.compile(r"\]\([^)\n]{0,2000}\)")
_TAG = regex.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
# Straight single quotes are left alone: they are apostrophes as often.
_QUOTED = regex.compile(
    r'"[^"\n]{1,500}"|“[^”\n]{1,500}”|„[^“”\n]{1,500}[“”]|«[^»\n]{1,500}»|»[^«\n]{1,500}«'
    r"|「[^」\n]{1,500}」|『[^』\n]{1,500}』|《[^》\n]{1,500}》"
)
_BLOCK_QUOTE = regex.compile(r"(?m)^[ \t]*>[^\n]*$")


@dataclass(frozen=True, slots=True)
class Clipped:
    """A text and whether something was cut off."""

    text: str
    cut: bool


def clipped(text: str, limit: int = LIMIT) -> Clipped:
    """The first `limit` characters."""
    return Clipped(text[:limit], len(text) > limit)


def visible(text: str) -> str:
    """The text without control characters, ANSI escapes, lone surrogates and zero-width signs."""
    return _INVISIBLE.sub("", text)


# As in `unicode_text`: normalising a long run of combining marks takes quadratic time.
_MARKS = regex.compile(r"(\p{M}{30})\p{M}+")


def nfkc(text: str) -> str:
    """The text in Unicode normal form KC, in linear time: no more than 30 marks on one letter."""
    return unicodedata.normalize("NFKC", text if text.isascii() else _MARKS.sub(r"\1", text))


def without_code(text: str) -> str:
    """The text without fenced and inline code, formulas, links, addresses and tags."""
    for pattern in (_FENCE, _MATH, _INLINE, _TARGET, _LINK, _TAG):
        text = pattern.sub(" ", text)
    return text


def without_quotes(text: str, mark: str = " ") -> str:
    """The text without quotations, each replaced by `mark`."""
    return _BLOCK_QUOTE.sub(mark, _QUOTED.sub(mark, text))


def prose(text: str) -> Clipped:
    """The words of the answer itself, in its own lines.

    Quotations stay when they are most of the text: an answer may be wrapped in quotes.
    """
    short = clipped(text)
    own = without_code(visible(short.text))
    bare = without_quotes(own)
    return Clipped(bare if letters(bare) * 2 >= letters(own) else own, short.cut)
