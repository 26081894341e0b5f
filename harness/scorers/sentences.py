"""Sentences of a text, by rules, offline and in many languages.

A sentence ends at `.`, `!`, `?`, `…` or the marks of other scripts, together with the closing
quotes and brackets behind them. A point ends none behind an abbreviation or an initial, inside a
number or a name (3.14, example.com), or before a small letter. List items and paragraphs end
sentences too; headings, rules, tables and code have none.
"""

from __future__ import annotations

import regex

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


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Abbreviations that stand before a name or a number, in the languages of the suites.
_ABBREVIATIONS = _set(
    "mr mrs ms dr prof st sr jr hon rev gen col capt lt sgt rep sen gov pres messrs mt ft "
    "vs etc cf ca approx no nos vol vols fig figs eq sec ch pp p ed eds al inc ltd co corp dept "
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun "
    "e.g i.e a.m p.m u.s u.k u.n d.c ph.d b.c a.d "
    "bzw z.b d.h u.a usw ggf evtl inkl exkl nr str tel abs art hr fr hrn vgl s.o s.u o.ä bspw "
    "sra srta dña ud uds ee.uu p.ej pág núm av avda "
    "m mme mlle mm éd env chap "
    "sig sig.ra dott avv ing pag n "
    "г гг т.е т.д т.п др пр см рис стр ул им "
    "tzn np itd itp tj ul nr prof hab inż"
)
# These end a sentence when a capital follows: they also stand at its end.
_AT_END = _set("etc usw co corp inc ltd al a.m p.m u.s u.k jr sr др т.д т.п itd itp")
_LAST_WORD = regex.compile(r"[\p{L}\p{M}](?:[\p{L}\p{M}.]*[\p{L}\p{M}])?$")
_UNTELLABLE = regex.compile(r"[\p{Thai}\p{Lao}]")
_LETTER = regex.compile(r"\p{L}")


def count_sentences(text: str) -> Range:
    """How many sentences a text has.

    Thai and Lao mark no sentence ends: their count is a range, from one a block to one a space.
    """
    low = high = 0
    for block in _blocks(text):
        found = len(sentences_of(block))
        low += found
        high += max(found, len(block.split())) if _is_untellable(block) else found
    return Range(low, high)


def sentences(text: str) -> list[str]:
    """The sentences of a text in order."""
    return [sentence for block in _blocks(text) for sentence in sentences_of(block)]


def sentences_of(block: str) -> list[str]:
    """The sentences of one paragraph or list item."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(block):
        if _ends(block, match.start(), match.end(), start):
            found.append(block[start : match.end()].strip())
            start = match.end()
    found.append(block[start:].strip())
    return [sentence for sentence in found if has_text(sentence)]


def _ends(block: str, mark: int, end: int, start: int) -> bool:
    """Whether the mark at `mark` ends the sentence that began at `start`."""
    if block[mark] in _WIDE:
        return not _QUOTED_GOES_ON.match(block, max(end - 1, 0))
    if end < len(block) and _SMALL.match(block, end):
        return False
    if block[mark] != "." or block[mark : mark + 2] == "..":
        return True
    before = _LAST_WORD.search(block, max(start, mark - 20), mark)
    return before is None or not _is_abbreviation(before[0], block[end:].strip() == "")


def _is_abbreviation(word: str, last: bool) -> bool:
    """Whether a point behind `word` belongs to it; nothing is one at the end of the text."""
    if last:
        return False
    plain = word.lower()
    if plain in _ABBREVIATIONS:
        return plain not in _AT_END
    initial = len(word) == 1 and word.isupper() and word != "I"
    return initial or bool(regex.fullmatch(r"(?:\p{Lu}\.)+\p{Lu}", word) and len(word) < 4)


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
