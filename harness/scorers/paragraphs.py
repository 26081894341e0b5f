"""Paragraphs and list items of an answer."""

from __future__ import annotations

from harness.scorers.counting import has_text
from harness.scorers.markdown import BULLET, HEADING, NUMBERED, RULE, Line, marked_lines


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
