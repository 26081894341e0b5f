"""Patterns that users write: compiled at load time, matched under a time limit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated

import regex
from pydantic import AfterValidator

from harness.common import REGEX_SECONDS, shown
from harness.common.patterns import compile_pattern
from harness.scorers.arguments import Text, wrong


class TooSlow(Exception):
    """A pattern did not come to an end within its time."""


def ecma(pattern: str) -> regex.Pattern[str]:
    """Return a pattern of JSON Schema (ECMA-262, flag u) in this engine; raises `regex.error`.

    There `$` matches at the very end only, \\d and \\w are ASCII, and \\u{1F600} is a character.
    """
    return compile_pattern(ecma_text(pattern))


@lru_cache(maxsize=4096)
def ecma_text(pattern: str) -> str:
    """Return such a pattern as this engine writes it; raises `regex.error` where it is none."""
    found = "".join(_translated(pattern))
    compile_pattern(found)
    return found


_ECMA_TOKEN = regex.compile(
    r"\\u\{(?P<code>[0-9A-Fa-f]{1,6})\}|\\c(?P<control>[A-Za-z])|\\(?P<escape>.)|(?P<plain>.)",
    regex.DOTALL,
)
_ASCII_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_"}


def _translated(pattern: str) -> Iterator[str]:
    inside = False
    for match in _ECMA_TOKEN.finditer(pattern):
        plain, escape = match["plain"], match["escape"]
        if match["code"] or match["control"]:
            code = int(match["code"], 16) if match["code"] else ord(match["control"]) % 32
            yield regex.escape(chr(min(code, 0x10FFFF)))
        elif escape is not None:
            yield _escape(escape, inside)
        else:
            yield (
                r"\Z"
                if plain == "$" and not inside
                else r"\["
                if plain == "[" and inside
                else plain
            )
            inside = plain == "[" or (inside and plain != "]")


def _escape(letter: str, inside: bool) -> str:
    """Return one escape of ECMA-262; inside a class or outside."""
    if letter in "dw":
        return _ASCII_CLASSES[letter] if inside else f"[{_ASCII_CLASSES[letter]}]"
    if letter in "DW" and not inside:
        return f"[^{_ASCII_CLASSES[letter.lower()]}]"
    if letter == "/":
        return "/"
    return "\\" + letter


def _checked(pattern: str) -> str:
    try:
        compile_pattern(pattern)
    except regex.error as error:
        raise wrong("regex", f"the pattern does not compile: {_where(error, pattern)}") from None
    return pattern


def _where(error: BaseException, pattern: str) -> str:
    """`missing ) at position 4: '(ab'`, positions counted from 0."""
    place = getattr(error, "pos", None)
    message = getattr(error, "msg", None) or str(error) or type(error).__name__
    if place is None:
        return str(message)
    rest = shown(pattern[place:], 20) if place < len(pattern) else "the end"
    return f"{message} at position {place} ({rest})"


Pattern = Annotated[Text, AfterValidator(_checked)]


class Budget:
    """Time that all matches of one check share."""

    def __init__(self, seconds: float = REGEX_SECONDS) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left; raises `TooSlow` when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TooSlow
        return left

    def search(
        self, pattern: regex.Pattern[str], text: str, *, full: bool = False
    ) -> regex.Match[str] | None:
        """Return the first match; raises `TooSlow`."""
        match = pattern.fullmatch if full else pattern.search
        try:
            return match(text, timeout=self.left())
        except (TimeoutError, MemoryError):
            raise TooSlow from None

    def count(self, pattern: regex.Pattern[str], text: str) -> int:
        """Return how many matches there are, without overlap; raises `TooSlow`."""
        try:
            return sum(1 for _ in pattern.finditer(text, timeout=self.left()))
        except (TimeoutError, MemoryError):
            raise TooSlow from None


def too_slow(pattern: str) -> str:
    """Return the reason of a check that could not tell because of its pattern."""
    return f"cannot tell: the pattern {shown(pattern)} took longer than {REGEX_SECONDS:g} s"
