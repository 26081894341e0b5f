"""Text compared as readers compare it: NFC-normalised, case-folded on demand, whole words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import regex

from harness.scorers.scripts import letters

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
    """Return where `needle` first stands in `text`, both normalised alike; -1 where it does not."""
    places = occurrences(needle, text, whole_word=whole_word)
    return next(places, -1)


def occurrences(needle: str, text: str, *, whole_word: bool = False) -> Iterator[int]:
    """Yield where `needle` stands in `text`, without overlap; both must be normalised alike.

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
    """Return whether a word may begin or end before `text[place]`."""
    if place in (0, len(text)):
        return True
    left, right = text[place - 1], text[place]
    if _WORD.match(left) and _WORD.match(right):
        marks = unicodedata.combining(right) or unicodedata.category(right).startswith("M")
        return not marks and bool(_UNSPACED.match(left) or _UNSPACED.match(right))
    return not _inside_number(text, place)


def _inside_number(text: str, place: int) -> bool:
    """Return whether `place` is beside a point or comma between two digits."""
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
# A single quote inside of a word is an apostrophe.
_QUOTED = regex.compile(
    r'"[^"\n]{1,500}"|“[^”\n]{1,500}”|„[^“”\n]{1,500}[“”]|«[^»\n]{1,500}»|»[^«\n]{1,500}«'
    r"|「[^」\n]{1,500}」|『[^』\n]{1,500}』|《[^》\n]{1,500}》"
    r"|(?<![\p{L}\p{N}'])'[^'\n]{2,200}'(?![\p{L}\p{N}])|‘[^‘’\n]{2,200}’(?!\p{L})"
)
_BLOCK_QUOTE = regex.compile(r"(?m)^[ \t]*>[^\n]*$")


@dataclass(frozen=True, slots=True)
class Clipped:
    """A text and whether something was cut off."""

    text: str
    cut: bool


def clipped(text: str, limit: int = LIMIT) -> Clipped:
    """Return the first `limit` characters."""
    return Clipped(text[:limit], len(text) > limit)


def visible(text: str) -> str:
    """Return the text without control characters, ANSI escapes, surrogates and zero-width signs."""
    return _INVISIBLE.sub("", text)


# As in `unicode_text`: normalising a long run of combining marks takes quadratic time.
_MARKS = regex.compile(r"(\p{M}{30})\p{M}+")


def nfkc(text: str) -> str:
    """Return the text in Unicode normal form KC, in linear time: a letter keeps 30 marks."""
    return unicodedata.normalize("NFKC", text if text.isascii() else _MARKS.sub(r"\1", text))


def without_code(text: str) -> str:
    """Return the text without fenced and inline code, formulas, links, addresses and tags."""
    for pattern in (_FENCE, _MATH, _INLINE, _TARGET, _LINK, _TAG):
        text = pattern.sub(" ", text)
    return text


def without_quotes(text: str, mark: str = " ") -> str:
    """Return the text without quotations, each replaced by `mark`."""
    return _BLOCK_QUOTE.sub(mark, _QUOTED.sub(mark, text))


# The answer is data or code from its first sign on: a list or an object, perhaps with a name.
_DATA = regex.compile(r"(?:\w{1,40}\s{0,3}=\s{0,3})?(?:\{\s{0,9}\"|\[\s{0,9}[\[{\"])")
_STRING = regex.compile(r'"((?:[^"\\\n]|\\.)*+)(?:"(\s{0,3}:)?|$)')
_ESCAPE = regex.compile(r"\\(?:u([0-9a-fA-F]{4})|.)")
_BLOCK = regex.compile(r"(?s)(`{3,}|~{3,})([^\n]*)\n(.*?)(?:\n[ \t]*\1[^\n]*)?\s*\Z")
# Comments of programming languages, and their strings of more than one word.
_COMMENT = regex.compile(
    r"(?m)(?:#|//|--|;;|%)[ \t]+([^\n]+)$|/\*(.{1,500}?)\*/|<!--(.{1,500}?)-->"
    r"|\"{3}(.{1,500}?)\"{3}|\"((?:[^\"\\\n]|\\.)*+)\"|(?<!\w)'((?:[^'\\\n]|\\.)*+)'",
    regex.DOTALL,
)
# So much code is read: an opening of a comment without an end costs 500 signs each.
_CODE = 20_000
_PLAIN = frozenset({"", "text", "txt", "markdown", "md", "plaintext", "plain"})


def inner_text(text: str) -> str | None:
    """Return what a reader reads in an answer that is one piece of JSON or one block of code.

    That is JSON's string values, and code's comments and strings, a line each; None for any other
    answer. It need not be well-formed: an answer may be cut.
    """
    bare = text.strip()
    block = _BLOCK.fullmatch(bare)
    language = block[2].strip().casefold() if block else ""
    body = block[3].strip() if block else bare
    if _DATA.match(body):
        values = (found[1] for found in _STRING.finditer(body) if found[2] is None)
        return "\n".join(_ESCAPE.sub(_unescaped, value) for value in values)
    if block is None or block[1] in body:
        return None
    if language in _PLAIN:
        return body
    found = (next(filter(None, match.groups()), "") for match in _COMMENT.finditer(body[:_CODE]))
    return "\n".join(" ".join(piece.split()) for piece in found if " " in piece.strip())


def _unescaped(match: regex.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else " "


def prose(text: str, *, quotations: bool = True) -> Clipped:
    """Return the words of the answer itself, in its own lines.

    An answer that is JSON or code as a whole is read through its strings and comments. Quotations
    are left out; with `quotations` they stay when they are most of the text, and always when they
    are all of it.
    """
    short = clipped(text)
    seen = visible(short.text)
    own = without_code(seen) if (inner := inner_text(seen)) is None else inner
    bare = without_quotes(own)
    most = letters(bare) * 2 < letters(own) if quotations else not letters(bare)
    return Clipped(own if most else bare, short.cut)


# Scripts that put no spaces between words: each sign (with its marks) is a token of its own.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_TOKEN = regex.compile(
    rf"[{UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{N}}]--[{UNSPACED}]]"
    rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]*(?:['’][\p{{Latin}}]{{1,3}})?",
    regex.VERSION1,
)


def tokens(text: str) -> list[str]:
    """Return the tokens of a text: words where there are spaces, else signs; NFKC, case folded."""
    return _TOKEN.findall(nfkc(text).casefold())


def spaced(text: str) -> bool:
    """Return whether most tokens of the text are words between spaces."""
    found = tokens(text)
    return sum(len(token) > 1 for token in found) * 2 >= len(found)
