"""Checks on hidden values: a value counts only as a whole token of the answer.

The rules, each from a scorer that got it wrong:

* boundaries are those of letters and digits, so 482 is not in 4821, `red` not in `hundred`;
* a sign, a decimal point or a group separator that continues a number continues the token: 481 is
  not found in 7,481, 3.481, -481 or 481.5, but it is found in `481.` at the end of a sentence;
* digits of any script count as digits, and full-width forms as their plain ones (NFKC);
* a value of digits alone may be written with group separators: 1234567 is found in `1,234,567`,
  `1.234.567`, `1 234 567` and `1'234'567`, each group of three digits, one separator throughout.
"""

from __future__ import annotations

from typing import Annotated

import regex
from pydantic import AfterValidator, Field, WithJsonSchema

from harness.common import JsonValue
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

    def strays(self, values: tuple[str, ...], text: str) -> list[str]:
        """What of that the text has in it."""
        found = _found(self.others, text, self.ignore_case)
        more = _other_numbers(values, text) if self.only else []
        return found + [number for number in more if number not in found]


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
    version=1,
    shorthand="value",
    example=Example(
        {"value": 7481, "others": [9022]},
        passes="The code is 7481.",
        fails="The code is 7481, or perhaps 9022.",
    ),
)
def needle(answer: Answer, context: Context, args: NeedleArgs) -> Finding:
    """The hidden value is in the answer as a whole token."""
    found = bool(_found((args.value,), answer.text, args.ignore_case))
    if found and (strays := args.strays((args.value,), answer.text)):
        reason = f"{args.value!r} found, and others beside it: {_short(strays)}"
        return verdict(False, reason, others=[*strays[:_LISTED]])
    return verdict(found, f"{args.value!r} {'found' if found else 'not found as a whole token'}")


@scorer(
    "needles",
    version=1,
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
    found = _found(args.values, answer.text, args.ignore_case)
    missing = [value for value in args.values if value not in found]
    strays = args.strays(args.values, answer.text)
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
    r"(?<![\p{Latin}\p{Cyrillic}\p{Greek}\p{N}_])\p{Nd}++(?:[.,'’]\p{Nd}++)*+", regex.VERSION1
)


def _other_numbers(values: tuple[str, ...], text: str) -> list[str]:
    """The numbers of the text besides the values, each once, cut to the length of a reason."""
    plain = nfkc(text)
    for value in values:
        plain = regex.sub(_pattern(value), " ", plain, flags=regex.VERSION1)
    return list(dict.fromkeys(number[:40] for number in _NUMBER.findall(plain)))


def _found(values: tuple[str, ...], text: str, ignore_case: bool) -> list[str]:
    """Those of the values that stand in the text as whole tokens."""
    plain = nfkc(text)
    flags = regex.VERSION1 | (regex.IGNORECASE if ignore_case else 0)
    return [value for value in values if regex.search(_pattern(value), plain, flags)]


def _pattern(value: str) -> str:
    """A linear-time pattern for the value between token boundaries."""
    plain = nfkc(value).strip()
    left, right = _edge(plain[0], "(?<![{}])"), _edge(plain[-1], "(?![{}])")
    number = regex.fullmatch(r"[0-9]+", plain)
    if regex.match(r"[0-9]", plain):  # 3.7481 and -7481 are other numbers
        left += r"(?<!\d\.)(?<!(?<!\w)[-−])"
    if regex.search(r"[0-9]\Z", plain):
        right += r"(?!\.\d)"
    body = regex.escape(plain)
    if number and len(plain) <= 3:  # a list may be written 7481,9022, but 1,482 is one number
        right += rf"(?![{_MARKS}]\d{{3}}(?!\d))"
        left += rf"(?<!\d[{_MARKS}])" if len(plain) == 3 else ""
    whole = left + body + right
    return f"(?:{whole}|{left}{_grouped(plain)}{right})" if number and len(plain) > 3 else whole


def _edge(sign: str, form: str) -> str:
    """What may not stand beside the first or last sign of a value."""
    if regex.match(rf"[{UNSPACED}]", sign) or not regex.match(r"\w", sign):
        return ""
    if regex.match(r"[\p{Latin}\p{N}]", sign):  # 答案是7481 and 7481입니다 are two tokens each
        return form.format(r"\p{Latin}\p{Cyrillic}\p{Greek}\p{N}_")
    return form.format(rf"\w--[{UNSPACED}]")


def _grouped(digits: str) -> str:
    """The digits in groups of three, one separator throughout, no group before or after."""
    head = len(digits) % 3 or 3
    groups = [digits[:head], *(digits[at : at + 3] for at in range(head, len(digits), 3))]
    body = groups[0] + f"(?P<mark>[{_MARKS} ])" + "(?P=mark)".join(groups[1:])
    return rf"(?<!\d[{_MARKS} ]){body}(?!(?P=mark)\d{{3}}(?!\d))"
