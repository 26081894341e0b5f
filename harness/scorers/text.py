"""Checks on the plain text of an answer: equals, contains, regex, one_of, starts_with, ends_with.

Texts are compared in Unicode normal form C, with their case, unless `ignore_case` is set.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Self

import regex as regex_engine
from pydantic import Field, model_validator

from harness.common import JsonValue, listed, shown
from harness.common.patterns import compile_pattern
from harness.scorers.arguments import Count, Share, Text, Word, Words, wrong
from harness.scorers.counting import words
from harness.scorers.patterns import Budget, Pattern, TooSlow, too_slow
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.unicode_text import find, folded, nfc, occurrences
from harness.scorers.values import Answer, Context, Finding, verdict


class _Cased(Args):
    ignore_case: bool = False

    def normal(self, text: str) -> str:
        """`text` as this check compares it."""
        return folded(text) if self.ignore_case else nfc(text)


class EqualsArgs(_Cased):
    """`strip`: white space around both texts does not count."""

    text: Text
    strip: bool = True

    def plain(self, text: str) -> str:
        """`text` as this check compares it."""
        return self.normal(text).strip() if self.strip else self.normal(text)


@scorer("equals", version=1, shorthand="text", example=Example("42", " 42\n", "The answer is 42."))
def equals(answer: Answer, context: Context, args: EqualsArgs) -> Finding:
    """The answer is the given text; white space around it does not count."""
    same = args.plain(answer.text) == args.plain(args.text)
    return verdict(same, _is(answer.text, same, shown(args.text)))


class OneOfArgs(_Cased):
    """`texts`: the answers allowed."""

    texts: Words
    strip: bool = True

    def plain(self, text: str) -> str:
        """`text` as this check compares it."""
        return self.normal(text).strip() if self.strip else self.normal(text)


@scorer("one_of", version=1, shorthand="texts", example=Example(["yes", "no"], "no", "Maybe."))
def one_of(answer: Answer, context: Context, args: OneOfArgs) -> Finding:
    """The answer is one of the given texts."""
    plain = args.plain(answer.text)
    hit = next((text for text in args.texts if args.plain(text) == plain), None)
    reason = _is(answer.text, hit is not None, f"one of {listed(args.texts)}")
    return verdict(hit is not None, reason, found=hit)


def _is(text: str, same: bool, wanted: str) -> str:
    return f"the answer is {wanted}" if same else f"{shown(text)} is not {wanted}"


class _Search(_Cased):
    whole_word: bool = False

    def has(self, text: str, needle: str) -> bool:
        """Return whether the normalised `text` has `needle` in it."""
        return find(self.normal(needle), text, whole_word=self.whole_word) >= 0


class ContainsArgs(_Search):
    """`min` and `max`: how often the text may stand in the answer, without overlap."""

    text: Word
    min: Annotated[Count, Field(ge=1)] = 1
    max: Annotated[Count, Field(ge=1)] | None = None


@scorer(
    "contains",
    version=1,
    shorthand="text",
    example=Example("Lina", "I am Lina.", "I am an assistant."),
)
def contains(answer: Answer, context: Context, args: ContainsArgs) -> Finding:
    """The answer has the given text in it."""
    text, needle = args.normal(answer.text), args.normal(args.text)
    count = sum(1 for _ in occurrences(needle, text, whole_word=args.whole_word))
    if count < args.min:
        times = f"{count} times, wanted {args.min}" if count else "not found"
        return verdict(False, f"{shown(args.text)} {times}", count=count)
    if args.max is not None and count > args.max:
        return verdict(
            False, f"{shown(args.text)} {count} times, wanted at most {args.max}", count=count
        )
    return verdict(True, f"{shown(args.text)} found", count=count)


class ContainsAllArgs(_Search):
    """`texts`: what must all be there."""

    texts: Words


@scorer(
    "contains_all",
    version=1,
    shorthand="texts",
    example=Example(["red", "blue"], "Red? No: red and blue.", "Only red."),
)
def contains_all(answer: Answer, context: Context, args: ContainsAllArgs) -> Finding:
    """The answer has every one of the given texts in it; the score is the share that it has."""
    text = args.normal(answer.text)
    missing = [needle for needle in args.texts if not args.has(text, needle)]
    reason = f"not found: {listed(missing)}" if missing else f"found: {listed(args.texts)}"
    detail: dict[str, JsonValue] = {"missing": [*missing]}
    return Finding(not missing, 1 - len(missing) / len(args.texts), reason, detail)


class ContainsAnyArgs(_Search):
    """`texts`: of which one must be there."""

    texts: Words


@scorer(
    "contains_any",
    version=1,
    shorthand="texts",
    example=Example(["Paris", "Lyon"], "It is Paris.", "It is Rome."),
)
def contains_any(answer: Answer, context: Context, args: ContainsAnyArgs) -> Finding:
    """The answer has at least one of the given texts in it."""
    text = args.normal(answer.text)
    found = [needle for needle in args.texts if args.has(text, needle)]
    reason = f"found: {listed(found)}" if found else f"none of {listed(args.texts)} found"
    return verdict(bool(found), reason, found=[*found])


class AffixArgs(_Search):
    """`text`, or a list of which one must be there."""

    texts: Words | Word
    strip: bool = True

    @property
    def all(self) -> tuple[str, ...]:
        """Return the texts of which one must be there."""
        return (self.texts,) if isinstance(self.texts, str) else self.texts

    def plain(self, text: str) -> str:
        """`text` as this check compares it."""
        return self.normal(text).strip() if self.strip else self.normal(text)


@scorer(
    "starts_with",
    version=1,
    shorthand="texts",
    example=Example("Dear", "Dear Ms Weber, ...", "Hello! Dear Ms Weber, ..."),
)
def starts_with(answer: Answer, context: Context, args: AffixArgs) -> Finding:
    """The answer begins with the given text, or with one of several."""
    text = args.plain(answer.text)
    return _affix(text[:200], args, [t for t in args.all if _begins(text, args.normal(t), args)])


@scorer(
    "ends_with",
    version=1,
    shorthand="texts",
    example=Example("Best regards", "...\nBest regards", "Best regards!"),
)
def ends_with(answer: Answer, context: Context, args: AffixArgs) -> Finding:
    """The answer ends with the given text, or with one of several."""
    text = args.plain(answer.text)
    return _affix(text[-60:], args, [t for t in args.all if _ends(text, args.normal(t), args)])


def _begins(text: str, needle: str, args: AffixArgs) -> bool:
    return text.startswith(needle) and (
        not args.whole_word or find(needle, text[: len(needle) + 2], whole_word=True) == 0
    )


def _ends(text: str, needle: str, args: AffixArgs) -> bool:
    tail = text[-len(needle) - 2 :]
    places = occurrences(needle, tail, whole_word=args.whole_word)
    return text.endswith(needle) and any(start + len(needle) == len(tail) for start in places)


def _affix(part: str, args: AffixArgs, found: list[str]) -> Finding:
    if found:
        return verdict(True, f"{shown(found[0])} found", found=found[0])
    return verdict(False, f"found {shown(part)}, wanted {listed(args.all)}")


class RegexArgs(Args):
    """`full`: the whole answer must match. Syntax: the `regex` package's.

    `multiline`: `^` and `$` match at every line. `dotall`: `.` matches line breaks.
    `min` and `max`: how many matches there may be, without overlap.
    """

    pattern: Pattern
    full: bool = False
    ignore_case: bool = False
    multiline: bool = False
    dotall: bool = False
    min: Annotated[Count, Field(ge=1)] = 1
    max: Annotated[Count, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max is not None and self.full:
            raise wrong("regex_full", "with full, there is one match: leave max out")
        if self.max is not None and self.min > self.max:
            raise wrong("bounds", f"min {self.min} is above max {self.max}")
        return self

    @property
    def engine(self) -> regex_engine.Pattern[str]:
        """Return the compiled pattern."""
        flags = regex_engine.IGNORECASE * self.ignore_case
        flags |= regex_engine.MULTILINE * self.multiline | regex_engine.DOTALL * self.dotall
        return compile_pattern(nfc(self.pattern), int(flags))


@scorer(
    "regex",
    version=1,
    shorthand="pattern",
    example=Example(r"\b\d{4}-\d{2}-\d{2}\b", "On 2024-05-01.", "On May 1st."),
)
def regex(answer: Answer, context: Context, args: RegexArgs) -> Finding:
    """The pattern matches somewhere in the answer; cannot tell where it takes too long."""
    text, budget = nfc(answer.text), Budget()
    try:
        match = budget.search(args.engine, text, full=args.full)
        if match is None:
            return verdict(False, f"the pattern {shown(args.pattern)} does not match")
        count = budget.count(args.engine, text) if args.min > 1 or args.max else 1
    except TooSlow:
        return verdict(None, too_slow(args.pattern))
    if count < args.min:
        return verdict(False, f"{count} matches, wanted at least {args.min}", count=count)
    if args.max is not None and count > args.max:
        return verdict(False, f"{count} matches, wanted at most {args.max}", count=count)
    return verdict(True, f"{shown(match[0])} matches", match=match[0][:200], start=match.start())


class NoRepetitionArgs(Args):
    """`n`: words in an n-gram. `max`: the largest share of n-grams that may repeat earlier ones."""

    n: Annotated[Count, Field(ge=1, le=20)] = 4
    max: Share = 0.25


@scorer(
    "no_repetition",
    version=2,
    shorthand="max",
    example=Example(None, "The cat sat on the mat.", "The cat sat. " * 5),
)
def no_repetition(answer: Answer, context: Context, args: NoRepetitionArgs) -> Finding:
    """The answer does not go round in circles: few of its n-grams repeat earlier ones.

    The share is 1 − distinct / all n-grams of words (seq-rep-n, Welleck et al. 2019); Han
    characters and kana count as words. An answer of fewer than n words has none to repeat.
    """
    found = words(folded(answer.text))
    grams = Counter(zip(*(found[k:] for k in range(args.n)), strict=False))
    total = grams.total()
    if not found:
        return verdict(None, "cannot tell: the answer has no words")
    share = 1 - len(grams) / total if total else 0.0
    worst, times = max(grams.items(), key=lambda item: item[1], default=((), 1))
    often = f"; {shown(' '.join(worst))} {times} times" if times > 1 else ""
    reason = f"{share:.0%} of the {args.n}-grams repeat earlier ones, allowed {args.max:.0%}"
    return verdict(share <= args.max, reason + often, share=round(share, 6), times=times)
