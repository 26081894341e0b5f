"""Sentences of a text, by rules, offline and in many languages.

A sentence ends at `.`, `!`, `?`, `…` or the marks of other scripts, together with the closing
quotes and brackets behind them. A point ends none behind an abbreviation, an initial or an ordinal,
inside a number or a name (3.14, example.com), or before a small letter, unless the whole text is
written without capitals. List items and paragraphs end sentences too; headings, rules, tables and
code have none.
"""

from __future__ import annotations

import regex

from harness.scorers.abbreviations import REACH, goes_on
from harness.scorers.counting import Range, has_text
from harness.scorers.markdown import BULLET, HEADING, NUMBERED, RULE, marked_lines

# Full stops that need no space behind them, and those of scripts with spaces.
_WIDE = "。！？｡．"
_OTHER = "؟۔।॥።፧။៖។჻՞…!?‼⁇⁈⁉"
_CLOSERS = r"[\"'”’»›)\]）」』】》*_`]*+"
_END = regex.compile(rf"[{_WIDE}]++{_CLOSERS}|[.{_OTHER}]++{_CLOSERS}(?=\s|$|[{_WIDE}])")
# A Japanese quotation inside a sentence: 「…？」と言った。
_QUOTED_GOES_ON = regex.compile(r"[」』]\p{Hiragana}")
_SMALL = regex.compile(r"\s*[\"'“‘«(\[]*\p{Ll}")
_MORE = regex.compile(r"\S")
# A text has capitals if a word begins with one; HTML does not.
_CAPITALISED = regex.compile(r"\p{Lu}\p{Ll}")
_UNTELLABLE = regex.compile(r"[\p{Thai}\p{Lao}]")
_LETTER = regex.compile(r"\p{L}")


def count_sentences(text: str) -> Range:
    """How many sentences a text has.

    Thai and Lao mark no sentence ends: their count is a range, from one a block to one a space.
    """
    low = high = 0
    blocks = _blocks(text)
    small = _is_small(blocks)
    for block in blocks:
        found = len(_sentences_of(block, small))
        low += found
        high += max(found, len(block.split())) if _is_untellable(block) else found
    return Range(low, high)


def sentences(text: str) -> list[str]:
    """The sentences of a text in order."""
    blocks = _blocks(text)
    small = _is_small(blocks)
    return [sentence for block in blocks for sentence in _sentences_of(block, small)]


def _sentences_of(block: str, small: bool) -> list[str]:
    """The sentences of one paragraph or list item."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(block):
        if _ends(block, match.start(), match.end(), start, small):
            found.append(block[start : match.end()].strip())
            start = match.end()
    found.append(block[start:].strip())
    return [sentence for sentence in found if has_text(sentence)]


def _ends(block: str, mark: int, end: int, start: int, small: bool) -> bool:
    """Whether the mark at `mark` ends the sentence that began at `start`."""
    if block[mark] in _WIDE:
        return not _QUOTED_GOES_ON.match(block, max(end - 1, 0))
    dots = block[mark] == "…" or block[mark : mark + 2] == ".."
    if _SMALL.match(block, end) and (not small or dots or block[end - 1] not in f".{_OTHER}"):
        return False
    if block[mark] != "." or dots or not _MORE.search(block, end):
        return True
    before, after = block[max(start, mark - REACH) : mark], block[end : end + REACH]
    return not goes_on(before, after, small)


def _is_small(blocks: list[str]) -> bool:
    """Whether the text is written without capitals."""
    first = next((found[0] for block in blocks if (found := _LETTER.search(block))), "")
    return first.islower() and not any(_CAPITALISED.search(block) for block in blocks)


def _blocks(text: str) -> list[str]:
    """Paragraphs and list items, without headings, rules, tables and code."""
    blocks: list[list[str]] = [[]]
    for line in marked_lines(text):
        row = line.text.strip()
        if line.code or not row or _is_mark(line.text):
            blocks.append([])
        elif item := BULLET.match(line.text) or NUMBERED.match(line.text):
            blocks.append([line.text[item.end() - 1 :]])
        elif blocks[-1] and _SMALL.match(row):
            blocks[-1].append(row)  # a line that begins with a small letter goes on
        else:
            blocks.append([row])
    return [" ".join(block) for block in blocks if block]


def _is_mark(line: str) -> bool:
    """Whether a line is a heading, a rule or a row of a table."""
    row = line.strip()
    table = row.startswith("|") and row.endswith("|") and len(row) > 1
    return table or bool(HEADING.match(line) or RULE.match(line))


def _is_untellable(block: str) -> bool:
    letters = len(_LETTER.findall(block))
    return letters > 0 and 2 * len(_UNTELLABLE.findall(block)) > letters
