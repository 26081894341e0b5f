"""Where a setting stands in a TOML file: the standard library reads values without their places."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

Loc = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"[ \t]*(\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*")
_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'  # a text may end in two quotes of its own
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[^,\]}#\n]+",
    re.DOTALL,
)


class TomlPlace(NamedTuple):
    """Line and column, both from 1; (0, 0) where it cannot be told."""

    line: int
    column: int


def find_place(text: str, loc: Sequence[str | int], *, of_key: bool = False) -> TomlPlace:
    """Return where `loc` stands in a valid TOML file, or the nearest place around it.

    `of_key` gives the key instead of its value. Steps that are not in the file are passed over.
    """
    offset = find_offset(text, loc, of_key=of_key)
    if offset < 0:
        return TomlPlace(0, 0)
    return TomlPlace(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def find_offset(text: str, loc: Sequence[str | int], *, of_key: bool = False) -> int:
    """Return the same as characters from the beginning of the text; -1 where it cannot be told."""
    found = _scanned(text)
    at: Loc = ()
    for step in loc:
        at = (*at, step) if (*at, step) in found else at
    return found[at][0 if of_key else 1] if at in found else -1


@lru_cache(maxsize=1)  # many places are asked of one file, one after another
def _scanned(text: str) -> dict[Loc, tuple[int, int]]:
    scanner = _Scanner(text)
    scanner.read()
    return scanner.found


class _Scanner:
    """Walks a file that `tomllib` has read; `found` has the offsets of each key and its value."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.found: dict[Loc, tuple[int, int]] = {}

    def read(self) -> None:
        """Read the whole file: headers of tables, and pairs."""
        table: Loc = ()
        while self._next():
            if self._text[self._at] == "[":
                start = self._at
                brackets = 2 if self._text.startswith("[[", start) else 1
                self._at += brackets
                table = self._keys((), start)
                self._at += brackets
            else:
                self._pair(table)

    def _next(self) -> str:
        """Return the sign at which something begins; empty at the end."""
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._text[self._at : self._at + 1]

    def _pair(self, table: Loc) -> None:
        loc = self._keys(table, None)
        self._at += 1  # the sign =
        self._next()
        self.found[loc] = self.found[loc][0], self._at
        self._value(loc)

    def _keys(self, table: Loc, value: int | None) -> Loc:
        """Return the way through one key or several with dots."""
        loc = table
        while found := _KEY.match(self._text, self._at):
            name = found[1]
            if name[0] in "\"'":
                name = str(tomllib.loads(f"key = {name}")["key"])
            loc = (*loc, name)
            start = found.start(1)
            self.found.setdefault(loc, (start, start if value is None else value))
            self._at = found.end()
            if self._text[self._at] != ".":
                break
            self._at += 1
        return loc

    def _value(self, loc: Loc) -> None:
        opening = self._next()
        if opening not in ("[", "{"):
            if found := _TEXT.match(self._text, self._at):
                self._at = found.end()
            return
        self._at += 1
        index = 0
        while (sign := self._next()) != ("]" if opening == "[" else "}"):
            if sign == ",":
                self._at += 1
            elif opening == "{":
                self._pair(loc)
            else:
                self.found[*loc, index] = self._at, self._at
                self._value((*loc, index))
                index += 1
        self._at += 1
