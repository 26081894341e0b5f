"""The marks of Markdown in an answer: fences, headings, list items, rules, tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

from harness.scorers.counting import has_text, lines

_FENCE = regex.compile(r" {0,3}(?:>\s?)?(?P<marks>`{3,}|~{3,})\s*(?P<info>[^`\n]*)$")
HEADING = regex.compile(r" {0,3}#{1,6}(?:[ \t]+\S.*|[ \t]*)$")
RULE = regex.compile(r"\s{0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
BULLET = regex.compile(r"[ \t]*(?:>[ \t]?)?[-*+•‣◦▪●∙·–][ \t]+\S")
NUMBERED = regex.compile(r"[ \t]*(?:>[ \t]?)?(?:\p{Nd}{1,3}|\p{L})[.)、．][ \t]*+(?<=[ \t、．])\S")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced code block: its language in small letters, its code, its lines from 0."""

    language: str
    code: str
    first: int
    last: int
    closed: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the answer; `code` where it is inside a fence or is one of its marks."""

    text: str
    code: bool


def fences(text: str) -> list[Fence]:
    """The fenced code blocks of a text (CommonMark); one without an end goes to the last line."""
    found: list[Fence] = []
    rows = lines(text)
    place = 0
    while place < len(rows):
        opening = _FENCE.match(rows[place])
        if opening is None:
            place += 1
            continue
        last = _closing(rows, place, opening["marks"])
        end = last if last is not None else len(rows)
        language = (opening["info"].split() or [""])[0].strip("{}.").lower()
        code = "\n".join(rows[place + 1 : end])
        found.append(Fence(language, code, place, min(end, len(rows) - 1), last is not None))
        place = end + 1
    return found


def _closing(rows: list[str], start: int, marks: str) -> int | None:
    """The line that closes the fence opened at `start`."""
    for place in range(start + 1, len(rows)):
        row = rows[place].strip().removeprefix(">").strip()
        if len(row) >= len(marks) and not row.strip(marks[0]):
            return place
    return None


def marked_lines(text: str) -> Iterator[Line]:
    """All lines of a text, with those of code blocks marked."""
    inside = {n for fence in fences(text) for n in range(fence.first, fence.last + 1)}
    return (Line(row, n in inside) for n, row in enumerate(lines(text)))


def paragraphs(text: str) -> list[str]:
    """The blocks between blank lines, without headings and rules; a code block stays whole."""
    blocks: list[list[str]] = [[]]
    for line in marked_lines(text):
        if _ends_block(line):
            blocks.append([])
        else:
            blocks[-1].append(line.text)
    joined = ("\n".join(block) for block in blocks)
    return [block for block in joined if has_text(block)]


def _ends_block(line: Line) -> bool:
    if line.code:
        return False
    blank = not line.text.strip()
    return blank or bool(HEADING.match(line.text) or RULE.match(line.text))


def count_bullets(text: str, *, numbered: bool = False, nested: bool = True) -> int:
    """How many list items there are outside code blocks."""
    return sum(_is_bullet(line, numbered, nested) for line in marked_lines(text))


def _is_bullet(line: Line, numbered: bool, nested: bool) -> bool:
    if line.code or RULE.match(line.text):
        return False
    if not nested and line.text[:2].isspace():
        return False
    return bool(BULLET.match(line.text) or (numbered and NUMBERED.match(line.text)))
