"""The check on a number in the answer."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Literal, Self

import regex
from pydantic import model_validator

from harness.common import shown
from harness.scorers.arguments import Exact, ExactPositive, Words, wrong
from harness.scorers.numbers import NUMERAL, Convention, Number, numbers, plain
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.values import Answer, Context, Finding, verdict

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
        """Return what is asked for, in words."""
        parts = [f"{self.equals}"] if self.equals is not None else []
        parts += [f"± {self.tolerance}"] if self.tolerance else []
        parts += [f"± {self.relative} of it"] if self.relative else []
        parts += [f"at least {self.min}"] if self.min is not None else []
        parts += [f"at most {self.max}"] if self.max is not None else []
        return " ".join(parts)

    def holds(self, value: Fraction) -> bool:
        """Return whether `value` is what is asked for; exact, without rounding."""
        if self.equals is not None:
            target = Fraction(self.equals)
            slack = max(Fraction(self.tolerance), Fraction(self.relative) * abs(target))
            if abs(value - target) > slack:
                return False
        return not (
            (self.min is not None and value < Fraction(self.min))
            or (self.max is not None and value > Fraction(self.max))
        )


MOST = 50_000  # numbers of one answer that are read: half a second


@scorer(
    "numeric",
    version=3,
    shorthand="equals",
    example=Example(
        {"equals": 1234.5, "units": ["EUR", "€"]}, "The total is 1.234,50 EUR.", "It is 1,234 EUR."
    ),
)
def numeric(answer: Answer, context: Context, args: NumericArgs) -> Finding:
    """The answer's number is the given one, or lies within bounds.

    Reads 1,234.5, 1.234,5, 1 234.5, 1.5e3, 1.5×10³, 22 1/2, 50 %, LaTeX and the digits of all
    scripts. Of several numbers the last one counts; the exponent of a unit is none (15 m²).
    """
    text = plain(answer.text) if NUMERAL.search(answer.text) else ""
    found = list(islice(numbers(text, args.decimal), MOST + 1))
    if len(found) > MOST:
        return verdict(None, f"cannot tell: more than {MOST:,} numbers")
    if args.units is not None:
        units = [plain(unit) or unit for unit in args.units]
        found = [n for n in found if any(_has_unit(text, n, unit) for unit in units)]
    if not found:
        with_unit = f" with {shown(args.units[0])}" if args.units else ""
        return verdict(False, f"no number{with_unit}, wanted {args.wanted}")
    if args.pick == "only" and len({n.value for n in found}) > 1:
        return verdict(False, f"several numbers ({_some(found)}), wanted only {args.wanted}")
    picked = {"last": found[-1:], "first": found[:1]}.get(args.pick, found)
    hit = next((n for n in picked if args.holds(n.value)), None)
    if hit is None:
        return verdict(False, f"{_some(picked)}, wanted {args.wanted}")
    decimal = Decimal(hit.value.numerator) / Decimal(hit.value.denominator)
    exact = str(decimal.normalize()) if Fraction(decimal) == hit.value else str(hit.value)[:100]
    return verdict(True, f"{shown(hit.text)} is {args.wanted}", value=exact)


def _some(found: list[Number]) -> str:
    return ", ".join(shown(n.text, 30) for n in found[:4]) + (", ..." if len(found) > 4 else "")


_LETTER = regex.compile(r"[\p{L}\p{M}]")


def _has_unit(text: str, number: Number, unit: str) -> bool:
    """Return whether `unit` stands beside the number, with no letter or exponent joined to it.

    Behind the number, after two spaces or marks of Markdown at most, or before it or its sign.
    """
    behind = text[number.end : number.end + len(unit) + 3].lstrip(" \u00a0\u2009\u202f~-*`")
    if behind.startswith(unit):
        after = behind[len(unit) : len(unit) + 1]
        if after != "^" and not (_LETTER.match(unit[-1]) and _LETTER.match(after)):
            return True
    if unit in number.text:
        return True
    before = text[max(number.start - len(unit) - 2, 0) : number.start].rstrip(
        " \u00a0\u2009\u202f~+-−*`"
    )
    if not before.endswith(unit):
        return False
    return not (_LETTER.match(unit[0]) and _LETTER.match(before[: -len(unit)][-1:]))
