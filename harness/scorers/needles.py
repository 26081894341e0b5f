"""Checks on hidden values: a value counts only as a whole token of the answer.

The rules, each from a scorer that got it wrong:

* boundaries are those of letters and digits, so 482 is not in 4821, `red` not in `hundred`;
* a sign, a decimal point or a group separator that continues a number continues the token: 481 is
  not found in 7,481, 3.481, -481 or 481.5, but it is found in `481.` at the end of a sentence;
* digits of any script count as digits, and full-width forms as their plain ones (NFKC); numbers in
  LaTeX and Markdown are read as `numeric` reads them, and the exponent of a unit is none;
* a value of digits alone may be written with group separators: 1234567 is found in `1,234,567`,
  `1.234.567`, `1 234 567`, `1'234'567` (groups of three digits, one separator throughout) and
  `12,34,567`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import regex
from pydantic import AfterValidator, Field, WithJsonSchema

from harness.common import JsonValue
from harness.scorers.numbers import plain
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.unicode_text import UNSPACED, nfkc
from harness.scorers.values import Answer, Context, Finding, verdict

# Group separators besides the space, after NFKC (which makes the narrow spaces plain ones).
_MARKS = ",.'’_\u066c"


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("the hidden value is empty")
    return value


Value = Annotated[
    str,
    Field(coerce_numbers_to_str=True),
    AfterValidator(_not_blank),
    WithJsonSchema({"type": ["string", "number"]}),
]


class _Strays(Args):
    """What may not stand beside the hidden values: an answer that lists all numbers is a guess."""

    others: tuple[Value, ...] = ()
    only: bool = False
    ignore_case: bool = False

    def found(self, values: tuple[str, ...], said: _Said) -> list[str]:
        """Return those of the values that stand in the answer as whole tokens."""
        flags = regex.VERSION1 | (regex.IGNORECASE if self.ignore_case else 0)
        return [v for v in values if regex.search(_pattern(v), said.around(v), flags)]

    def strays(self, values: tuple[str, ...], said: _Said) -> list[str]:
        """Return what may not be there and is: values of `others`, and with `only` all numbers.

        Each number once, cut to the length of a reason.
        """
        found = self.found(self.others, said)
        if not self.only:
            return found
        rest = said.numbers
        for value in values:
            rest = regex.sub(_pattern(value), " ", rest, flags=regex.VERSION1)
        more = dict.fromkeys(number[:40] for number in _NUMBER.findall(rest))
        return found + [number for number in more if number not in found]


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer in two forms: for values that are numbers, and for all others."""

    numbers: str
    words: str

    @classmethod
    def of(cls, text: str) -> _Said:
        numbers = plain(text)
        return cls(nfkc(numbers), nfkc(text))

    def around(self, value: str) -> str:
        """Return the form in which `value` is looked for."""
        return self.numbers if _DIGITS.match(nfkc(value).strip()) else self.words


class NeedleArgs(_Strays):
    """The hidden value; `ignore_case` is for values that are words.

    `others`: values that the answer may not have too. `only`: it may have no other number.
    """

    value: Value


class NeedlesArgs(_Strays):
    """The hidden values; with `all` false, one of them is enough to pass.

    `others`, `only` and `ignore_case` as in `needle`.
    """

    values: tuple[Value, ...] = Field(min_length=1)
    all: bool = True


@scorer(
    "needle",
    version=2,
    shorthand="value",
    example=Example(
        {"value": 7481, "others": [9022]},
        passes="The code is 7481.",
        fails="The code is 7481, or perhaps 9022.",
    ),
)
def needle(answer: Answer, context: Context, args: NeedleArgs) -> Finding:
    """The hidden value is in the answer as a whole token."""
    said = _Said.of(answer.text)
    found = bool(args.found((args.value,), said))
    if found and (strays := args.strays((args.value,), said)):
        reason = f"{args.value!r} found, and others beside it: {_short(strays)}"
        return verdict(False, reason, others=[*strays[:_LISTED]])
    return verdict(found, f"{args.value!r} {'found' if found else 'not found as a whole token'}")


@scorer(
    "needles",
    version=2,
    shorthand="values",
    example=Example(
        {"values": [7481, 9022]},
        passes="The codes are 9022 and 7481.",
        fails="The only code is 7481.",
    ),
)
def needles(answer: Answer, context: Context, args: NeedlesArgs) -> Finding:
    """The hidden values are in the answer as whole tokens.

    The score is the share found; what may not be there counts as one value more that is missing.
    """
    said = _Said.of(answer.text)
    found = args.found(args.values, said)
    missing = [value for value in args.values if value not in found]
    strays = args.strays(args.values, said)
    passed = not strays and (not missing if args.all else bool(found))
    share = sum(value in found for value in args.values) / (len(args.values) + len(strays))
    reason = f"{len(args.values) - len(missing)} of {len(args.values)} values found"
    reason += f"; missing: {_short(missing)}" if missing else ""
    reason += f"; others beside them: {_short(strays)}" if strays else ""
    detail: dict[str, JsonValue] = {"found": list(found), "missing": list(missing)}
    detail |= {"others": [*strays[:_LISTED]]} if strays else {}
    return Finding(passed, share, reason, detail)


_LISTED = 20


def _short(values: list[str]) -> str:
    return ", ".join(values[:5]) + (", ..." if len(values) > 5 else "")


# A number: digits at the edge of a word, with the points and commas inside.
_NUMBER = regex.compile(
    r"(?<![\p{Latin}\p{Cyrillic}\p{Greek}\p{N}_^])(?<!\^[-+])"
    r"\p{Nd}++(?:[.,'’]\p{Nd}++)*+",
    regex.VERSION1,
)
_DIGITS = regex.compile(r"[-+]?\p{Nd}[\p{Nd}.,'’ ]*")


@lru_cache(maxsize=4096)
def _pattern(value: str) -> str:
    """Return a linear-time pattern for the value between token boundaries."""
    text = nfkc(value).strip()
    if _DIGITS.fullmatch(text):
        text = plain(text)
    left, right = _edge(text[0], "(?<![{}])"), _edge(text[-1], "(?![{}])")
    if regex.match(r"[0-9]", text):  # 3.7481 and -7481 are other numbers, and so is m^7481
        left += r"(?<!\d\.)(?<!(?<!\w)[-−])(?<!\^[-+−]?)"
    if regex.search(r"[0-9]\Z", text):
        right += r"(?!\.\d)"
    body = regex.escape(text)
    if not regex.fullmatch(r"[0-9]+", text):
        return left + body + right
    size = len(text)
    if size <= 3:  # a list may be written 7481,9022, but 1,482 is one number
        right += rf"(?![{_MARKS}]\d{{3}}(?!\d))"
        left += rf"(?<!\d[{_MARKS}])" if size == 3 else ""
        return left + body + right
    threes = [text[max(at, 0) : at + 3] for at in range(size % 3 - 3 if size % 3 else 0, size, 3)]
    forms = [body, _grouped(threes)]
    if size > 5:  # 12,34,567
        twos = [text[max(at, 0) : at + 2] for at in range(-(size % 2 == 0), size - 3, 2)]
        forms.append(_grouped([*twos, text[-3:]], ","))
    return f"(?:{'|'.join(left + form + right for form in forms)})"


def _edge(sign: str, form: str) -> str:
    """Return what may not stand beside the first or last sign of a value."""
    if regex.match(rf"[{UNSPACED}]", sign) or not regex.match(r"\w", sign):
        return ""
    if regex.match(r"[\p{Latin}\p{N}]", sign):  # 答案是7481 and 7481입니다 are two tokens each
        return form.format(r"\p{Latin}\p{Cyrillic}\p{Greek}\p{N}_")
    return form.format(rf"\w--[{UNSPACED}]")


def _grouped(groups: list[str], marks: str = f"{_MARKS} ") -> str:
    """Return the groups with one separator throughout, and no group before or after."""
    mark = "m" + "".join(str(len(group)) for group in groups)
    body = groups[0] + f"(?P<{mark}>[{marks}])" + f"(?P={mark})".join(groups[1:])
    return rf"(?<!\d[{_MARKS} ]){body}(?!(?P={mark})\d{{3}}(?!\d))"
