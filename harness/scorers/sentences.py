"""Sentences of a text, by rules, offline and in many languages.

A sentence ends at `.`, `!`, `?`, `…` or the marks of other scripts, together with the closing
quotes and brackets behind them. A point ends none behind an abbreviation, an initial or an ordinal,
inside a number or a name (3.14, example.com), or before a small letter, unless the whole text is
written without capitals. List items and paragraphs end sentences too; headings, rules, tables and
code have none.
"""

from __future__ import annotations

import regex

from harness.scorers.counting import Range, has_text, has_words
from harness.scorers.markdown import BULLET, HEADING, NUMBERED, RULE, marked_lines


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


# No sentence ends with these.
_ALWAYS = _set(
    "mr mrs dr messrs vs cf e.g i.e "
    "bzw z.b d.h u.a ggf evtl inkl exkl vgl s.o s.u bspw hrn "
    "sra srta dña p.ej mme mlle éd chap sig sig.ra dott avv "
    "т.е см ул tzn np tj hab inż"
)
# A name follows, or else a word that begins a sentence.
_BEFORE_NAME = _set(
    "st sr prof capt lt sgt dept ed eds u.s u.k u.n d.c ph.d b.c a.d "
    "ud uds ee.uu av avda env ing пр им ul κ κα"
)
# The same, but in small letters they are words or units: 5 ft., 10 ms., "I know the gen."
_TITLES = _set("rev gen col hon rep sen pres gov mt ft hr fr ms")
# Only before a number: "No. 5", and yet "Said no. Then yes."
_BEFORE_NUMBER = _set(
    "no nos vol vols fig figs eq sec ch p pp n approx ca art abs nr str tel kap bd tab pág núm pag "
    "cap рис стр jan feb apr jun jul aug sep sept oct nov dec okt dez déc janv févr ene dic "
)
# Before a number, and words in small letters.
_DAYS = _set("mar mon tue wed thu fri sat sun")
# These end a sentence when a capital follows: they also stand at its end.
_AT_END = _set("etc usw co corp inc ltd al a.m p.m jr o.ä др т.д т.п itd itp")
_POINTED = frozenset(word for word in _ALWAYS | _BEFORE_NAME | _AT_END if "." in word)
# In a text without capitals, one of these must follow.
_SUBJECTS = _set("the i he she it we they you this that then der die das ich er sie es wir ihr")
# Words that begin sentences and no names.
_STARTERS = _set(
    "the a an he she it i you we they this that these those there then and but so or if when my "
    "your his her its our their what why how who where however also in on at as for yes no not now "
    "here after before while once each some all both most many let's it's he's she's i'm "
    "der die das ein eine er sie es ich du wir ihr und aber dann danach dort hier dies diese "
    "dieser dieses auch wenn als weil doch nun sein seine ihre mein man nach im am auf mit für "
    "il elle ils elles nous vous je tu et mais puis ensuite ce cette ces c'est dans en pour "
    "el los las una él ella ellos y pero luego después "
    "он она оно они я ты мы вы это этот эта потом затем но и а в на с по для там его её их когда "
    "on ona ono oni ja to potem ale w z tam jego jej gdy"
)
_SPACE = "[ \u00a0\u202f]"
# What stands before the point: "z. B", "U.S", "Weber".
_SHORT_PARTS = regex.compile(
    rf"(?<![\p{{L}}\p{{M}}\p{{N}}])(?:\p{{L}}{{1,3}}\.{_SPACE}?)+\p{{L}}{{1,3}}$"
)
_LAST_WORD = regex.compile(r"(?<![\p{L}\p{M}\p{N}])[\p{L}\p{M}](?:[\p{L}\p{M}.]*[\p{L}\p{M}])?$")
_LETTERS = regex.compile(r"\p{L}(?:\.\p{L})+")
# What stands behind it.
_NUMBER_NEXT = regex.compile(r"\s*[#(]?(?:\p{N}|\p{Lu}\p{N}|[IVXL]{2,}\b)")
_LETTER_NEXT = regex.compile(rf"{_SPACE}?(?:\p{{L}}|ej|UU)\.")
_NEXT_WORD = regex.compile(r"[^\p{L}\p{N}]*(?P<word>\p{L}[\p{L}\p{M}'’]*)(?P<point>\.?)")
_YEAR_BEFORE = regex.compile(rf"\p{{N}}{_SPACE}?г{{1,2}}$")

_MONTHS = (
    r"(?:januar|jänner|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember)"
    r"(?!\p{L})|(?:jan|feb|mär|apr|jun|jul|aug|sept?|okt|nov|dez)\.?\s*\p{N}"
)
_DAY = regex.compile(r"(?<![\p{N}.,])\p{Nd}{1,2}$")
_MONTH_NEXT = regex.compile(rf"\s*(?:{_MONTHS})", regex.IGNORECASE)
# "Am 3. Tag", "der 2. und 3. Platz"; English has "I am 14." too.
_ORDINAL = regex.compile(
    r"(?<![\p{L}\p{N}])(?<!\bI )(?:am|im|vom|zum|zur|beim|ins|de[rmns]|die|das|eine?[nmrs]?"
    r"|(?:[mds]ein|ihr|unser|jed|dies)e?[nmrs]?)\s+"
    r"(?:\p{Nd}{1,3}\.?\s*(?:und|oder|bis|,)\s*)?\p{Nd}{1,3}$",
    regex.IGNORECASE,
)
_DATE = regex.compile(r"(?<![\p{N}.,])\p{Nd}{1,2}\.\s?\p{Nd}{1,2}$")
_DATE_NEXT = regex.compile(r"\s?\p{Nd}{1,2}\.")
_YEAR_NEXT = regex.compile(r"\s?\p{Nd}{2,4}(?!\p{N})")
# Characters of the longest in `_SHORT_PARTS` and in the lists.
_PARTS, _LONGEST = 12, 16
# Longer than every abbreviation, and than an article with two ordinals.
REACH = 40


def goes_on(before: str, after: str, small: bool = False) -> bool:
    """Whether the point between these two belongs to a word or number, and ends no sentence.

    before, after: up to `REACH` characters of the sentence and of what follows, which is not
    blank. small: the text is written without capitals.
    """
    if before[-1:].isnumeric():
        return _is_ordinal(before, after, small)
    word = _shortened(before)
    if not word:
        return False
    plain = word.lower()
    if plain in ("г", "гг"):  # a city's; behind a number a year's, which also ends sentences
        return not _YEAR_BEFORE.search(before)
    if plain in _ALWAYS:
        return True
    if plain in _BEFORE_NUMBER or plain in _DAYS:
        titled = word.istitle() or plain not in _DAYS
        return bool(titled and _NUMBER_NEXT.match(after))
    if plain in _AT_END:
        return small and not _starts(after, _SUBJECTS)
    if plain in _TITLES or word == "MM":
        return (word.istitle() or word == "MM") and not _starts(after)
    return (plain in _BEFORE_NAME and not _starts(after)) or _is_initial(word, after, small)


def _shortened(before: str) -> str:
    """The word before the point; the letters of "z. B" are one."""
    size = len(before)
    if "." in before[-6:] and (parts := _SHORT_PARTS.search(before, max(0, size - _PARTS))):
        joined = "".join(parts[0].split())
        if joined.lower() in _POINTED or _LETTERS.fullmatch(joined):
            return joined
    last = _LAST_WORD.search(before, max(0, size - _LONGEST))
    return last[0] if last else ""


def _is_initial(word: str, after: str, small: bool) -> bool:
    """Whether these are letters of a name, or of something shortened in a way not listed here."""
    if word in ("I", "i"):
        return False
    if len(word) == 1 or word == "EE":
        if _LETTER_NEXT.match(after):
            return True
        return (word.isupper() or small) and len(word) == 1 and not _starts(after)
    if not _LETTERS.fullmatch(word):
        return False
    return not word.replace(".", "").isupper() or not _starts(after)


def _starts(after: str, starters: frozenset[str] = _STARTERS) -> bool:
    """Whether a word follows that begins a sentence; "A." is an initial."""
    found = _NEXT_WORD.match(after)
    return bool(found and not found["point"] and found["word"].lower() in starters)


def _is_ordinal(before: str, after: str, small: bool) -> bool:
    """Whether a number with a point is a German ordinal or the day or month of a date."""
    if _DAY.search(before) and _MONTH_NEXT.match(after):
        return True
    if _DATE.search(before) and _YEAR_NEXT.match(after):
        return True
    if not _ORDINAL.search(before):
        return False
    found = _NEXT_WORD.match(after)
    noun = found and (small or found["word"][0].isupper()) and not _starts(after)
    return bool(noun or _DATE_NEXT.match(after))


# Full stops that need no space behind them, and those of scripts with spaces.
_WIDE = "。！？｡．"
_OTHER = "؟۔।॥።፧။៖។჻՞…!?‼⁇⁈⁉"
_CLOSERS = r"[\"'“”’»›)\]）」』】》*_`]*+"
_END = regex.compile(rf"[{_WIDE}]++{_CLOSERS}|[.{_OTHER}]++{_CLOSERS}(?=\s|$|[{_WIDE}])")
# A Japanese quotation inside a sentence: 「…？」と言った。
_QUOTED_GOES_ON = regex.compile(r"[」』]\p{Hiragana}")
# "iPhone" may begin a sentence.
_SMALL = regex.compile(r"\s*[\"'“‘«(\[]*\p{Ll}(?!\p{Lu})")
_MORE = regex.compile(r"\S")
_COMPANY = regex.compile(r"\s?(?:Inc|Corp|Co|Ltd|LLC|GmbH|AG|Group|Brands|Mail|News|Japan)\b")
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
        untellable, letters = len(_UNTELLABLE.findall(block)), len(_LETTER.findall(block))
        high += max(found, len(block.split())) if 0 < letters < 2 * untellable else found
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
    kept: list[str] = []
    for sentence in filter(has_text, found):
        if kept and not has_words(sentence):  # an emoji at the end belongs to what it ends
            kept[-1] += f" {sentence}"
        else:
            kept.append(sentence)
    return kept


def _ends(block: str, mark: int, end: int, start: int, small: bool) -> bool:
    """Whether the mark at `mark` ends the sentence that began at `start`."""
    if block[mark] in _WIDE:
        return not _QUOTED_GOES_ON.match(block, max(end - 1, 0))
    dots = block[mark] == "…" or block[mark : mark + 2] == ".."
    if dots and block[mark - 1 : mark] in ("[", "("):
        return False  # left out: [...]
    if _SMALL.match(block, end) and (not small or dots or block[end - 1] not in f".{_OTHER}"):
        return False
    if block[mark] == "!" and _COMPANY.match(block, end):
        return False  # Yahoo! Inc.
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
    joined = [" ".join(block) for block in blocks if block]
    # An emoji in a line of its own is a sentence only where there is nothing else.
    return [block for block in joined if has_words(block)] or joined


def _is_mark(line: str) -> bool:
    """Whether a line is a heading, a rule or a row of a table."""
    row = line.strip()
    table = row.startswith("|") and row.endswith("|") and len(row) > 1
    return table or bool(HEADING.match(line) or RULE.match(line))
