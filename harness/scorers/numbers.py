"""The check on a number in the answer."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, Self

import regex
from pydantic import model_validator

from harness.common import NUMBER_DIGITS, shown
from harness.scorers.arguments import Exact, ExactPositive, Words, wrong
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.unicode_text import nfc
from harness.scorers.values import Answer, Context, Finding, verdict

Convention = Literal["auto", "point", "comma"]

# Letters that digits join without a space: 长2,460米, 約35分, 제3장, ราคา45, و15, ב15. The long
# vowel mark of kana and the Arabic stretching mark belong to no script by name.
_JOINED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\p{Tibetan}\p{Arabic}\p{Hebrew}\u30fc\uff70\u0640"
)
_NUMBER_TEXT_LETTER = rf"[\p{{L}}--[{_JOINED}]]"
# A sign right behind them is a hyphen as a rule (코로나-19, 嫦娥-5), but not behind "is" or "to".
_COPULA = "[是为為于於到至はがも은는]"
# Digits with separators inside: a separator counts only between two digits. White space groups
# digits by three; a line break never does. Times (10:30) are no numbers, nor is a part of a date.
_NUMBER = regex.compile(
    rf"(?<!{_NUMBER_TEXT_LETTER})(?<![\p{{Nd}}_])(?<![\p{{Nd}}][.,٫٬:/])"
    rf"(?P<sign>(?:(?<![\p{{Nd}}\p{{L}})\]%])|(?<={_COPULA}))"
    r"[+\-−–﹣-]\p{Sc}?\s?)?"
    r"(?:(?P<digits>\p{Nd}++(?:[ \u00a0\u2009\u202f'’](?=\p{Nd}{3}(?!\p{Nd}))\p{Nd}{3}"
    r"|[.,٫٬]\p{Nd}++)*+|[.]\p{Nd}++)(?P<half>[½⅓⅔¼¾⅛⅜⅝⅞]|(?<=\p{Nd})[/⁄]\p{Nd}++)?"
    r"|(?P<alone>[½⅓⅔¼¾⅛⅜⅝⅞]))(?![:/⁄]\p{Nd})"
    rf"(?P<exp>[eE][+-]?\p{{Nd}}++(?!{_NUMBER_TEXT_LETTER})"
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


_LETTER = regex.compile(r"[\p{L}\p{M}]")


class NumericArgs(Args):
    """`equals` within `tolerance` (absolute) or `relative`, or from `min` to `max`.

    `units`: only a number with one of these before or after it counts (`EUR`, `%`, `km`).
    `pick`: which number counts where the answer has several different ones; `only` wants one.
    `decimal`: the separator before the fraction, `point` or `comma`; `auto` reads both.
    """

    equals: Exact | None = None
    tolerance: ExactPositive = Decimal(0)
    relative: ExactPositive = Decimal(0)
    min: Exact | None = None
    max: Exact | None = None
    units: Words | None = None
    pick: Literal["last", "first", "only", "any"] = "last"
    decimal: Convention = "auto"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.equals is None and self.min is None and self.max is None:
            raise wrong("numeric", "one of equals, min and max is wanted")
        if self.equals is None and (self.tolerance or self.relative):
            raise wrong("numeric", "tolerance and relative go with equals")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise wrong("numeric", f"min {self.min} is above max {self.max}")
        return self

    @property
    def wanted(self) -> str:
        """What is asked for, in words."""
        parts = [f"{self.equals}"] if self.equals is not None else []
        parts += [f"± {self.tolerance}"] if self.tolerance else []
        parts += [f"± {self.relative} of it"] if self.relative else []
        parts += [f"at least {self.min}"] if self.min is not None else []
        parts += [f"at most {self.max}"] if self.max is not None else []
        return " ".join(parts)

    def holds(self, value: Fraction) -> bool:
        """Whether `value` is what is asked for; exact, without rounding."""
        if self.equals is not None:
            target = Fraction(self.equals)
            slack = max(Fraction(self.tolerance), Fraction(self.relative) * abs(target))
            if abs(value - target) > slack:
                return False
        return not (
            (self.min is not None and value < Fraction(self.min))
            or (self.max is not None and value > Fraction(self.max))
        )


@scorer(
    "numeric",
    version=2,
    shorthand="equals",
    example=Example(
        {"equals": 1234.5, "units": ["EUR", "€"]}, "The total is 1.234,50 EUR.", "It is 1,234 EUR."
    ),
)
def numeric(answer: Answer, context: Context, args: NumericArgs) -> Finding:
    """The answer's number is the given one, or lies within bounds.

    Reads 1,234.5, 1.234,5, 1 234.5, 1.5e3, 1.5×10³, 50 % and the digits of all scripts. Of
    several numbers the last one counts.
    """
    text = nfc(answer.text)
    found = [n for n in numbers(text, args.decimal) if _has_unit(text, n, args.units)]
    if not found:
        with_unit = f" with {shown(args.units[0])}" if args.units else ""
        return verdict(False, f"no number{with_unit}, wanted {args.wanted}")
    if args.pick == "only" and len({n.value for n in found}) > 1:
        return verdict(False, f"several numbers ({_some(found)}), wanted only {args.wanted}")
    hit = next((n for n in _picked(found, args.pick) if args.holds(n.value)), None)
    if hit is None:
        return verdict(False, f"{_some(_picked(found, args.pick))}, wanted {args.wanted}")
    return verdict(True, f"{shown(hit.text)} is {args.wanted}", value=_written(hit.value))


def _written(value: Fraction) -> str:
    """A decimal where that is exact, else a fraction."""
    decimal = Decimal(value.numerator) / Decimal(value.denominator)
    return str(decimal.normalize()) if Fraction(decimal) == value else str(value)[:100]


def _picked(found: list[Number], pick: str) -> list[Number]:
    return {"last": found[-1:], "first": found[:1]}.get(pick, found)


def _some(found: Iterable[Number]) -> str:
    items = list(found)
    return ", ".join(shown(n.text, 30) for n in items[:4]) + (", ..." if len(items) > 4 else "")


def _has_unit(text: str, number: Number, units: tuple[str, ...] | None) -> bool:
    if units is None:
        return True
    return any(_follows(text, number.end, nfc(u)) or _leads(text, number, nfc(u)) for u in units)


def _follows(text: str, end: int, unit: str) -> bool:
    """Whether `unit` stands at `end`, behind at most two spaces, and no letter continues it."""
    window = text[end : end + len(unit) + 3]
    rest = window.lstrip(" \u00a0\u2009\u202f-*")
    if not rest.startswith(unit):
        return False
    after = rest[len(unit) : len(unit) + 1]
    return not (after and _LETTER.match(unit[-1]) and _LETTER.match(after))


def _leads(text: str, number: Number, unit: str) -> bool:
    """Whether `unit` stands before the number or behind its sign."""
    window = text[max(number.start - len(unit) - 2, 0) : number.start]
    rest = window.rstrip(" \u00a0\u2009\u202f+-−*")
    if unit in number.text:
        return True
    if not rest.endswith(unit):
        return False
    before = rest[: -len(unit)][-1:]
    return not (before and _LETTER.match(unit[0]) and _LETTER.match(before))
