"""The reader of Markdown in an answer, for all checks that look at its blocks.

Which lines are code, a table or inside a list item says a CommonMark parser (markdown-it, with the
tables of GitHub); an answer that has none of them is not parsed. The marks of headings, rules and
list items are looked for line by line, since answers have more kinds of them than CommonMark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import regex

from harness.scorers.counting import has_text, lines

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

HEADING = regex.compile(r" {0,3}#{1,6}(?:[ \t]+\S.*|[ \t]*)$")
RULE = regex.compile(r"\s{0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
_QUOTE = r"[ \t\u3000]*(?:>[ \t]?)?"
# The list marks of CommonMark; then those that answers have too, some of them without a space.
MARKDOWN_BULLET = regex.compile(rf"{_QUOTE}[-*+][ \t]+\S")
BULLET = regex.compile(rf"{_QUOTE}(?:[-*+∙·–][ \t]+|[•‣◦▪●○◆◇■□・･][ \t\u3000]*+)\S")
NUMBERED = regex.compile(rf"{_QUOTE}(?:\p{{Nd}}{{1,3}}|\p{{L}})[.)、．][ \t]*+(?<=[ \t、．])\S")
# Without fences and these no line is code, nor does a list item go on behind a blank line.
_INDENTED = regex.compile(r"^[ \t>]*(?: {4}|\t)|\n[ \t]*\n[ \t]+\S", regex.MULTILINE)
_DELIMITER = regex.compile(r"^[ \t>]*[|:-][|: \t-]*+$", regex.MULTILINE)
# Characters that are parsed, some 25,000 tokens: a megabyte of tables takes half a minute.
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced code block: its language in small letters, its code, its lines from 0.

    The code is without the indent of the list item and the marks of the quotation it stands in.
    """

    language: str
    code: str
    first: int
    last: int
    closed: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its header, its rows, the line of its header from 0.

    `ragged` is the first row, from 0, with another number of cells than the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    line: int

    @property
    def lines(self) -> int:
        """Return how many lines header, rule and rows take."""
        return len(self.rows) + 2

    @property
    def ragged(self) -> int | None:
        """Return the first row that has more or fewer cells than the header."""
        widths = (len(row) for row in self.rows)
        return next((n for n, width in enumerate(widths) if width != len(self.header)), None)


class MarkdownLine(NamedTuple):
    """One line; `code`: it is in a code block, `fenced`: in one between fences, or is a fence.

    `item`: it is in a list item that began in the line of this number.
    """

    text: str
    code: bool = False
    fenced: bool = False
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """An answer as Markdown. `cut`: it is so long that its end was not parsed."""

    lines: tuple[MarkdownLine, ...]
    fences: tuple[Fence, ...] = ()
    tables: tuple[Table, ...] = ()
    cut: bool = False


def document(text: str) -> Document:
    """Return the blocks of a text; tables are those of GitHub's Markdown."""
    if _needs_parser(text) or ("|" in text and _DELIMITER.search(text)):
        return _parsed(text)
    return Document(tuple(map(MarkdownLine, lines(text))))


def _needs_parser(text: str) -> bool:
    if "```" in text or "~~~" in text:
        return True
    indented = "\n " in text or "\n\t" in text or "\n>" in text or text[:1] in (" ", "\t", ">")
    return indented and bool(_INDENTED.search(text))


@lru_cache(maxsize=8)  # the checks of a case read one answer after another
def _parsed(text: str) -> Document:
    rows = lines(text)
    cut = len(text) > _MOST
    tokens = _parser().parse("\n".join(rows)[:_MOST] + "\n")
    kinds = dict.fromkeys(range(len(rows)), "")
    items: dict[int, int] = {}
    fences: list[Fence] = []
    tables: list[Table] = []
    for token in tokens:
        if token.map is None:
            continue
        first, end = token.map[0], min(token.map[1], len(rows))
        if token.type == "list_item_open" and token.level == 1:
            items |= dict.fromkeys(range(first, end), first)
        elif token.type in ("fence", "code_block"):
            kinds |= dict.fromkeys(range(first, end), token.type)
        if token.type == "fence":
            language = (token.info.split() or [""])[0].strip("{}.").lower()
            language = regex.split("[:,{]", language)[0] or language
            code = token.content.removesuffix("\n")
            # One without an end goes to the end of what it stands in.
            closed = end - first == token.content.count("\n") + 2
            fences.append(Fence(language, code, first, end - 1, closed))
        elif token.type == "table_open":
            tables.append(_table(rows, first, end, nested=token.level > 0))
    found = (
        MarkdownLine(row, bool(kinds[n]), kinds[n] == "fence", items.get(n))
        for n, row in enumerate(rows)
    )
    return Document(tuple(found), tuple(fences), tuple(tables), cut)


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    unused = ["inline", "text_join", "reference", "html_block", "lheading"]
    return MarkdownIt("commonmark").enable("table").disable(unused)


_CONTAINER = regex.compile(r"(?:[ \t]*(?:>|[-*+]|\d{1,9}[.)])(?=\s))+")


def _table(rows: list[str], first: int, end: int, *, nested: bool) -> Table:
    """Return the table in these rows; a row without a bar ends it, whatever GitHub says."""
    from markdown_it.rules_block.table import escapedSplit

    cells: list[tuple[str, ...]] = []
    for row in rows[first:end]:
        text = (_CONTAINER.sub("", row, count=1) if nested else row).strip()
        parts = [part.strip() for part in escapedSplit(text)]
        if len(parts) == 1:
            break
        parts = parts[1:] if text.startswith("|") else parts
        cells.append(tuple(parts[:-1] if not parts[-1] and text.endswith("|") else parts))
    return Table(cells[0], tuple(cells[2:]), first)


def fences(text: str) -> tuple[Fence, ...]:
    """Return the fenced code blocks of a text."""
    return document(text).fences if "```" in text or "~~~" in text else ()


def marked_lines(text: str) -> Iterator[MarkdownLine]:
    """Return all lines of a text, with those of code blocks marked."""
    return iter(_parsed(text).lines if _needs_parser(text) else map(MarkdownLine, lines(text)))


def paragraphs(text: str) -> list[str]:
    """Return the blocks between blank lines, without headings and rules.

    A code block stays whole, and so does a list item with all that is indented below it.
    """
    blocks: list[list[str]] = [[]]
    item: int | None = None
    for line in marked_lines(text):
        blank = not line.text.strip()
        if blocks[-1] and not blank and not blocks[-1][-1].strip() and line.item != item:
            blocks.append([])  # the blank lines were the end of a list item
        if line.code or (blank and line.item is not None):
            blocks[-1].append(line.text)
        elif blank or HEADING.match(line.text) or RULE.match(line.text):
            blocks.append([])
        else:
            blocks[-1].append(line.text)
        item = item if blank else line.item
    joined = ("\n".join(block) for block in blocks)
    return [block for block in joined if has_text(block)]


def count_bullets(text: str, *, numbered: bool = False, nested: bool = True) -> int:
    """Return how many list items there are outside code blocks."""
    count = 0
    for line in marked_lines(text):
        if line.code or RULE.match(line.text) or (not nested and line.text[:2].isspace()):
            continue
        count += bool(BULLET.match(line.text) or (numbered and NUMBERED.match(line.text)))
    return count
