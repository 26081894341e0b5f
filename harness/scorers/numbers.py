"""The reader of numbers in running text, for all checks that look for one.

First `plain` writes the numbers of a text in one way: ASCII digits, no LaTeX, no marks of Markdown,
powers as `10^3`. Then `numbers` reads them, exactly.

    9{,}500, 10\\,080, １２３, ١٢٣, 30,00,000   grouped, or in digits of another script
    \\boxed{\\frac{1}{2}}, 3/4, 2½, 22 1/2       fractions and mixed numbers
    1.5 \\times 10^{3}, 3×10⁸, 1e-3, 2^10        powers
    15 m^2, 9.81 m/s², x_1                       the exponent of a unit and an index are no numbers
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import regex

from harness.common import NUMBER_DIGITS
from harness.scorers.unicode_text import nfc

Convention = Literal["auto", "point", "comma"]

# -- one way to write numbers ----------------------------------------------------------------------

_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.VERSION1)
_WIDE = dict(zip("．％٪－＋／＄＾｛｝＿＼٫٬", ".%%-+/$^{}_\\.,", strict=True))
_WIDE_SIGN = regex.compile(f"[{''.join(_WIDE)}]")
# A full-width comma parts clauses, and numbers only where it groups full-width digits.
_WIDE_COMMA = regex.compile(r"(?<=[０-９])，(?=[０-９]{3}(?![０-９]))")
_SUPERSCRIPTS = "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_RAISED = regex.compile(rf"[⁺⁻]?[{_SUPERSCRIPTS[2:]}]++")
_LOWERED = str.maketrans(_SUPERSCRIPTS, "+-0123456789")

_MARKS = regex.compile(r"[\\^_{<~]")
_RAISED_TAG = regex.compile(r"<sup>\s?([+\-−]?[0-9]{1,6})\s?</sup>", regex.IGNORECASE)
_EMPHASIS = regex.compile(
    r"(?<![\p{L}\p{N}_])(_{1,3})(?=[^\s_])(?=[^_\n]{0,60}[0-9])([^_\n]{1,60})(?<=\S)\1(?![\p{L}\p{N}_])"
)
_NOTHING = regex.compile(r"\\!|\\(?:left|right|displaystyle)(?![A-Za-z])")
_THIN = regex.compile(r"\\[,;:> ]|(?<=[0-9])~(?=[0-9]{3}(?![0-9]))")
_ESCAPED = regex.compile(r"\\([%$#&_.*~`+-])")
_FENCES = regex.compile(r"\\[()\[\]{}]|\\q?quad(?![A-Za-z])")
_SEPARATOR = regex.compile(r"\{([,.\u2009])\}")
_WRAPPED = regex.compile(
    r"\\(?:boxed|fbox|[hm]box|emph|underline|bm|boldsymbol|operatorname|text(?:bf|it|rm|sf|tt|normal)?"
    r"|math(?:bf|it|rm|sf|tt|cal))\s?\{([^{}]*)\}"
)
_FRACTION = regex.compile(
    r"(?P<whole>[0-9])?\\[dtc]?frac\s?(?:\{\s?(?P<over>[^{}]{1,80}?)\s?\}|(?P<o>[0-9]))"
    r"\s?(?:\{\s?(?P<under>[^{}]{1,80}?)\s?\}|(?P<u>[0-9]))"
)
_INDEX = regex.compile(r"_\{[^{}\n]{0,60}\}")
_DEGREES = regex.compile(r"\^\s?(?:\{\s?\\circ\s?\}|\\circ(?![A-Za-z]))")
_POWER = regex.compile(r"\^\s?(?:\{\s?([+\-−]?[0-9]++)\s?\}|\(\s?([+\-−]?[0-9]++)\s?\))")
_TIMES = regex.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])")
_COMMAND = regex.compile(r"(\\(?!u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})[A-Za-z]+)(?=[0-9])")
# Nobody nests deeper; each level takes one pass over the text.
_LEVELS = 8


def plain(text: str) -> str:
    """Return the text with its numbers written in one way: see the top of this module.

    The marks of LaTeX and Markdown around numbers are left out. Units stay where they were: `28\\%`
    becomes `28%`, and `15\\,\\text{m}^{2}` and `15 m²` end in `m^2`.
    """
    text = nfc(text)
    if not text.isascii():
        text = _WIDE_COMMA.sub(",", text)
        text = _DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
        text = _WIDE_SIGN.sub(lambda sign: _WIDE[sign[0]], text)
        text = _RAISED.sub(lambda raised: f"^{raised[0].translate(_LOWERED)}", text)
    if not _MARKS.search(text):
        return text
    text = _RAISED_TAG.sub(r"^\1", text)
    if "\\" in text or "{" in text or "~" in text:
        text = _FENCES.sub(" ", _THIN.sub("\u2009", _NOTHING.sub("", text)))
        text = _SEPARATOR.sub(r"\1", _ESCAPED.sub(r"\1", text))
        text = _DEGREES.sub("°", _INDEX.sub("_", text))
        for _ in range(_LEVELS):
            before, text = text, _FRACTION.sub(_over, _WRAPPED.sub(r"\1", text))
            if text == before:
                break
        text = _COMMAND.sub(r"\1 ", _TIMES.sub("×", text))
    return _EMPHASIS.sub(r"\2", _POWER.sub(lambda power: f"^{power[1] or power[2]}", text))


def _over(match: regex.Match[str]) -> str:
    """Write a fraction of LaTeX with a slash; `2\\frac{1}{2}` is the mixed number 2 1/2."""
    over, under = match["over"] or match["o"], match["under"] or match["u"]
    return f"{match['whole'] + ' ' if match['whole'] else ''}{over}/{under}"


# -- reading them ----------------------------------------------------------------------------------

# Letters that digits join without a space: 长2,460米, 約35分, 제3장, ราคา45, و15, ב15. The long
# vowel mark of kana and the Arabic stretching mark belong to no script by name.
_JOINED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\p{Tibetan}\p{Arabic}\p{Hebrew}\u30fc\uff70\u0640"
)
_LETTER = rf"[\p{{L}}--[{_JOINED}]]"
# A sign right behind them is a hyphen as a rule (코로나-19, 嫦娥-5), but not behind "is" or "to".
_COPULA = "[是为為于於到至はがも은는]"
_SPACE = r"[ \u00a0\u2009\u202f]"
_VULGAR = "[¼-¾⅐-⅞↉]"
# Digits with separators inside: a separator counts only between two digits. White space groups
# digits by three; a line break never does. Times (10:30) are no numbers, nor is a part of a date.
_NUMBER = regex.compile(
    r"(?=[-+−–﹣.0-9¼-¾⅐-⅞↉])"  # first, since all that follows is slow
    rf"(?<!{_LETTER})(?<![\p{{Nd}}_])(?<!\^)(?<!\^[+\-−{{(])(?<![A-Za-z]\*\*(?=[0-9]{{1,2}}(?![0-9*.,])))(?<![\p{{Nd}}][.,:/])"
    rf"(?P<sign>(?:(?<![\p{{Nd}}\p{{L}})\]%])|(?<={_COPULA}))"
    r"[+\-−–﹣]\p{Sc}?\s?)?"
    r"(?:(?P<digits>[0-9]++(?:[ \u00a0\u2009\u202f'’](?=[0-9]{3}(?![0-9]))[0-9]{3}"
    r"|[.,][0-9]++)*+|[.][0-9]++)"
    rf"(?:(?<=[0-9])[/⁄](?P<under>[0-9]{{1,3}}(?:,[0-9]{{3}})++(?![0-9])|[0-9]++)"
    rf"|(?P<mixed>{_SPACE}?(?P<glyph>{_VULGAR})|{_SPACE}(?P<over>[0-9]{{1,3}})[/⁄](?P<below>[0-9]{{1,3}})"
    r"(?![0-9])(?![.,:/⁄][0-9])))?"
    rf"|(?P<alone>{_VULGAR}))(?![:/⁄][0-9])"
    rf"(?P<tail>[eE](?P<e>[+-]?[0-9]++)(?!{_LETTER})"
    r"|\s?[×x·*]\s?10\s?(?:\^|\*\*)\s?(?P<ten>[+\-−]?[0-9]++)"
    r"|\s?\^\s?(?P<power>[+\-−]?[0-9]++))?",
    regex.VERSION1,
)
NUMERAL = re.compile(r"[\d¼-¾⅐-⅞↉]")  # without one of these a text has no number: a quick look
_NONE = regex.compile(  # dates and addresses
    r"(?<![\d-])\d{4}-\d{1,2}-\d{1,2}(?![\d-])"
    r"|https?://[^\s<>()\[\]]{1,2000}|(?<=\])\([^()\s]{1,2000}\)"
)
_SPACES = regex.compile(r"[ \u00a0\u2009\u202f'’]")
_GROUPS = regex.compile(r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands in a plain text, from `start` to `end`; `value` is exact."""

    value: Fraction
    text: str
    start: int
    end: int


def numbers(text: str, convention: Convention = "auto") -> Iterator[Number]:
    """Yield the numbers of a text, in order; those that cannot be read with certainty are left out.

    text: as `plain` gives it. convention: `point` reads 1,234.5; `comma` reads 1.234,5. `auto`
    takes the last of two different separators as the decimal one, a repeated separator as grouping,
    a single comma before exactly three digits as grouping (1,234) and any other single separator as
    decimal (1.234; 19,99). Version numbers, dates, times, addresses, exponents of units and
    indices are no numbers, nor are digits behind a leading zero (007).
    """
    if not NUMERAL.search(text):
        return
    if "-" in text or "://" in text or "](" in text:
        text = _NONE.sub(lambda found: " " * len(found[0]), text)
    match = _NUMBER.search(text)
    while match is not None:
        value, end = _value(match, convention)
        if value is not None:
            yield Number(value, text[match.start() : end], match.start(), end)
        match = _NUMBER.search(text, max(end, match.start() + 1))


def _value(match: regex.Match[str], convention: Convention) -> tuple[Fraction | None, int]:
    """Return the value and where its text ends; no value where nobody could be certain."""
    end = match.end()
    if end - match.start() > NUMBER_DIGITS:
        return None, end
    digits = _decimal(match["digits"] or "0", convention)
    if digits is None:
        return None, end
    value = Fraction(Decimal(digits))
    # Most numbers are digits, perhaps with a sign: there is nothing more to compute.
    if not any(match.group("alone", "glyph", "mixed", "under", "e", "ten", "power")):
        return (-value if _is_negative(match) else value), end
    if glyph := match["alone"] or match["glyph"]:
        part = Fraction(unicodedata.numeric(glyph)).limit_denominator(10)
    elif match["mixed"]:
        part = Fraction(int(match["over"]), int(match["below"]) or 1)
    else:
        part = Fraction(0)
    # 22 1/2 is one number; 3.5 1/2, 3 7/2 and a year with a fraction behind it are two.
    year = match["mixed"] and match["mixed"][0].isspace() and 1900 <= value < 2100
    if match["mixed"] and (year or value.denominator > 1 or part >= 1 or not part):
        return (-value if _is_negative(match) else value), match.start("mixed")
    value += part
    if match["under"]:
        under = int(match["under"].replace(",", ""))
        if not under:
            return None, end
        value /= under
    if _is_negative(match) and not match["power"]:
        value = -value
    exponent = int((match["e"] or match["ten"] or match["power"] or "0")[:8].replace("−", "-"))
    if abs(exponent) > NUMBER_DIGITS:
        return None, end
    if not match["power"]:
        return value * Fraction(10) ** exponent, end
    size = len(str(value.numerator)) + len(str(value.denominator))
    if size * abs(exponent) > NUMBER_DIGITS or (not value and exponent <= 0):
        return None, end
    value **= exponent
    return (-value if _is_negative(match) else value), end


def _is_negative(match: regex.Match[str]) -> bool:
    return bool(match["sign"]) and match["sign"][0] != "+"


def _decimal(digits: str, convention: Convention) -> str | None:
    """Return `1234.5` for `1,234.5`, `1.234,5` or `1 234,5`; None where that is no number."""
    digits = _SPACES.sub("", digits)
    if convention != "auto":
        point = "." if convention == "point" else ","
    elif "." in digits and "," in digits:
        point = "." if digits.rfind(".") > digits.rfind(",") else ","
    elif digits.count(",") == 1:
        whole, _, fraction = digits.partition(",")
        point = "." if len(fraction) == 3 and len(whole) <= 3 and whole[0] != "0" else ","
    else:
        point = "," if digits.count(".") > 1 else "."
    other = "," if point == "." else "."
    whole, _, fraction = digits.partition(point)
    if other in fraction or point in fraction:
        return None
    grouped = whole.replace(other, ",")
    if "," in grouped and not _GROUPS.fullmatch(grouped):
        return None
    if len(grouped) > 1 and grouped[0] == "0":
        return None
    return f"{grouped.replace(',', '') or '0'}.{fraction or '0'}"
