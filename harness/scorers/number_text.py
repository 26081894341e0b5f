"""Numbers in running text: separators, signs, exponents, percent, digits of all scripts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import regex

from harness.scorers.limits import NUMBER_DIGITS

Convention = Literal["auto", "point", "comma"]

# Letters that digits join without a space: 长2,460米, 約35分, 제3장, ราคา45, و15, ב15. The long
# vowel mark of kana and the Arabic stretching mark belong to no script by name.
_JOINED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\p{Tibetan}\p{Arabic}\p{Hebrew}\u30fc\uff70\u0640"
)
_LETTER = rf"[\p{{L}}--[{_JOINED}]]"
# A sign right behind them is a hyphen as a rule (코로나-19, 嫦娥-5), but not behind "is" or "to".
_COPULA = "[是为為于於到至はがも은는]"
# Digits with separators inside: a separator counts only between two digits. White space groups
# digits by three; a line break never does. Times (10:30) are no numbers, nor is a part of a date.
_NUMBER = regex.compile(
    rf"(?<!{_LETTER})(?<![\p{{Nd}}_])(?<![\p{{Nd}}][.,٫٬:/])"
    rf"(?P<sign>(?:(?<![\p{{Nd}}\p{{L}})\]%])|(?<={_COPULA}))"
    r"[+\-−–﹣-]\p{Sc}?\s?)?"
    r"(?:(?P<digits>\p{Nd}++(?:[ \u00a0\u2009\u202f'’](?=\p{Nd}{3}(?!\p{Nd}))\p{Nd}{3}"
    r"|[.,٫٬]\p{Nd}++)*+|[.]\p{Nd}++)(?P<half>[½⅓⅔¼¾⅛⅜⅝⅞]|(?<=\p{Nd})[/⁄]\p{Nd}++)?"
    r"|(?P<alone>[½⅓⅔¼¾⅛⅜⅝⅞]))(?![:/⁄]\p{Nd})"
    rf"(?P<exp>[eE][+-]?\p{{Nd}}++(?!{_LETTER})"
    r"|\s?[×x·*]\s?10\s?\^?\s?[{(]?[+\-−]?\p{Nd}++[})]?"
    r"|\s?[×x·]\s?10[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]++)?",
    regex.VERSION1,
)
_DATE = regex.compile(r"(?<![\d-])\d{4}-\d{1,2}-\d{1,2}(?![\d-])")
_SPACES = regex.compile(r"[ \u00a0\u2009\u202f'’]")
_SUPERSCRIPT = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "+-0123456789-")
_GROUPS = regex.compile(r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands in a text, from `start` to `end`; `value` is exact."""

    value: Fraction
    text: str
    start: int
    end: int


def numbers(text: str, convention: Convention = "auto") -> Iterator[Number]:
    """The numbers of a text, in order; those that cannot be read with certainty are left out.

    `point` reads 1,234.5; `comma` reads 1.234,5. `auto` takes the last of two different
    separators as the decimal one, a repeated separator as grouping, a single comma before exactly
    three digits as grouping (1,234) and any other single separator as decimal (1.234; 19,99).
    Fractions (3/4, 2½) are read. Version numbers, dates, times and addresses are no numbers, nor
    are digits behind a leading zero (007).
    """
    for match in _NUMBER.finditer(_DATE.sub(lambda date: " " * len(date[0]), text)):
        value = _value(match, convention)
        if value is not None:
            yield Number(value, match[0], match.start(), match.end())


def _value(match: regex.Match[str], convention: Convention) -> Fraction | None:
    if match.end() - match.start() > NUMBER_DIGITS:
        return None
    digits = _plain(_ascii(match["digits"] or "0"), convention)
    exponent = _exponent(match["exp"])
    if digits is None or abs(exponent) > NUMBER_DIGITS:
        return None
    value = _with_part(Fraction(Decimal(digits)), match["half"] or match["alone"])
    if value is None:
        return None
    negative = match["sign"] and match["sign"][0] != "+"
    return (-value if negative else value) * Fraction(10) ** exponent


def _with_part(whole: Fraction, part: str | None) -> Fraction | None:
    """The number with `½` behind it, or divided by what stands behind a slash."""
    if not part:
        return whole
    if part[0] in "/⁄":
        below = int(_ascii(part[1:]))
        return whole / below if below else None
    return whole + Fraction(unicodedata.numeric(part)).limit_denominator(8)


def _exponent(text: str | None) -> int:
    """The power of ten of `e5`, `×10^5` or `×10⁵`."""
    if not text:
        return 0
    plain = _ascii(text.translate(_SUPERSCRIPT)).lower()
    tail = plain.partition("e")[2] if "e" in plain else plain.split("10", 1)[1]
    found = regex.search(r"[+-]?\d+", tail)
    return int(found[0][:8]) if found else 0


def _ascii(text: str) -> str:
    """The same with ASCII digits and separators."""
    mapped = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    return "".join(mapped).replace("٫", ".").replace("٬", ",")


def _plain(digits: str, convention: Convention) -> str | None:
    """`1234.5` for `1,234.5`, `1.234,5` or `1 234,5`; None where the separators make no number."""
    digits = _SPACES.sub("", digits)
    point = _decimal_separator(digits, convention)
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


def _decimal_separator(digits: str, convention: Convention) -> str:
    if convention != "auto":
        return "." if convention == "point" else ","
    if "." in digits and "," in digits:
        return "." if digits.rfind(".") > digits.rfind(",") else ","
    if digits.count(",") == 1:
        whole, _, fraction = digits.partition(",")
        grouping = len(fraction) == 3 and len(whole) <= 3 and whole[0] != "0"
        return "." if grouping else ","
    return "," if digits.count(".") > 1 else "."
