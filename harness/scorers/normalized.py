"""A check that cuts an answer to what counts in it and compares that with references.

It says what the exact match of lm-evaluation-harness says (its filters and `ignore_…` options), the
text scorers of inspect_ai, and the fuzzy match of OpenAI's evals: whoever moves a suite here keeps
its numbers.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

import regex as regex_engine
from pydantic import BeforeValidator, Field, model_validator

from harness.common import shown
from harness.common.patterns import compile_pattern
from harness.scorers.arguments import LISTED, ONE_OR_MORE, Text, filled, wrong
from harness.scorers.patterns import Budget, Pattern, TooSlow, too_slow
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.unicode_text import nfc
from harness.scorers.values import Answer, Context, Finding, verdict

Kind = Literal["strip", "lower", "upper", "regex"]
Ignored = Literal["case", "punctuation", "numbers", "articles", "spaces", "edges"]
_ARTICLES = regex_engine.compile(r"\b(?:a|an|the)\b")
_EDGES = string.whitespace + string.punctuation


class FilterArgs(Args):
    """One step that an answer goes through before it is compared.

    `regex` finds all matches; `pick` says which counts: 0 is the first, -1 the last. Of a match
    with groups the first that holds something counts. `fallback` stands for no match.
    """

    regex: Pattern
    pick: Annotated[int, Field(strict=True, ge=-1000, le=1000)] = 0
    fallback: Text = "[invalid]"
    ignore_case: bool = False


Filter = FilterArgs | Literal["strip", "lower", "upper"]


def _distinct(value: Any) -> Any:
    if isinstance(value, list | tuple) and len({*map(str, value)}) < len(value):
        raise wrong("twice", "each of these stands once")
    return value


class NormalizedMatchArgs(Args):
    """`references`: a text, or several of which one must match.

    `filters`: what the answer goes through first, in order: `strip`, `lower`, `upper`, or `{regex:
    …, pick: 0, fallback: …}`. `ignore`: what does not count in answer and references: `case`,
    `punctuation` (ASCII), `numbers` (digits), `articles` (a, an, the), `spaces` (how many),
    `edges` (white space and punctuation around the text). `remove`: patterns whose matches are
    taken out of both before. `where`: `equal`, or where in the answer the reference stands;
    `either`: one of the two stands in the other.
    """

    references: Annotated[tuple[Text, ...], LISTED, BeforeValidator(filled), ONE_OR_MORE]
    filters: Annotated[tuple[Filter, ...], Field(max_length=20)] = ()
    ignore: Annotated[tuple[Ignored, ...], BeforeValidator(_distinct)] = ()
    remove: Annotated[tuple[Pattern, ...], Field(max_length=50)] = ()
    where: Literal["equal", "begin", "end", "any", "either"] = "equal"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.where == "equal":
            return self
        for reference in self.references:
            try:
                plain = self.plain(reference, Budget())
            except TooSlow:
                continue
            if not plain:
                message = f"nothing is left of the reference {shown(reference)}: any answer has it"
                raise wrong("empty_reference", message)
        return self

    def plain(self, text: str, budget: Budget) -> str:
        """Return what counts of an answer or a reference. Raises TooSlow."""
        for pattern in self.remove:
            engine = compile_pattern(pattern)
            try:
                text = engine.sub("", text, timeout=budget.left())
            except (TimeoutError, MemoryError):
                raise TooSlow from None
        if "case" in self.ignore:
            text = text.lower()
        if "edges" in self.ignore:
            text = text.strip(_EDGES)
        if "punctuation" in self.ignore:
            text = text.translate(_WITHOUT_PUNCTUATION)
        if "numbers" in self.ignore:
            text = text.translate(_WITHOUT_DIGITS)
        if "articles" in self.ignore:
            text = _ARTICLES.sub(" ", text)
        return " ".join(text.split()) if "spaces" in self.ignore else text

    def extracted(self, text: str, budget: Budget) -> str:
        """Return the answer after all filters. Raises TooSlow."""
        for step in self.filters:
            if isinstance(step, str):
                text = {"strip": text.strip, "lower": text.lower, "upper": text.upper}[step]()
                continue
            flags = regex_engine.IGNORECASE * step.ignore_case
            engine = compile_pattern(nfc(step.regex), int(flags))
            try:
                found = engine.findall(text, timeout=budget.left())
            except (TimeoutError, MemoryError):
                raise TooSlow from None
            if not -len(found) <= step.pick < len(found):
                text = step.fallback
                continue
            match = found[step.pick]
            if isinstance(match, tuple):
                match = next((group for group in match if group), step.fallback)
            text = match.strip()
        return text


_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)
_WITHOUT_DIGITS = str.maketrans("", "", string.digits)


@scorer(
    "normalized_match",
    version=1,
    shorthand="references",
    example=Example(
        {
            "references": "1,204",
            "filters": [{"regex": r"#### (-?[0-9.,]+)"}],
            "remove": [",", r"\.$"],
        },
        "12 times 100 is 1200, and 4.\n#### 1204.",
        "The answer is 1204.",
    ),
)
def normalized_match(answer: Answer, context: Context, args: NormalizedMatchArgs) -> Finding:
    """The answer, cut to what counts in it, is one of the references, or holds one.

    `detail.extracted` is what the filters left of the answer.
    """
    budget = Budget()
    try:
        extracted = args.extracted(nfc(answer.text), budget)
        text = args.plain(extracted, budget)
        wanted = {reference: args.plain(nfc(reference), budget) for reference in args.references}
    except TooSlow:
        steps = [step.regex for step in args.filters if not isinstance(step, str)]
        return verdict(None, too_slow("; ".join([*args.remove, *steps])))
    # Nothing stands in everything: an empty text is only the same as another.
    held: Mapping[str, Callable[[str], bool]] = {
        "equal": lambda plain: text == plain,
        "begin": text.startswith,
        "end": text.endswith,
        "any": lambda plain: plain in text,
        "either": lambda plain: (
            text == plain or bool(text and plain and (text in plain or plain in text))
        ),
    }
    hits = [reference for reference, plain in wanted.items() if held[args.where](plain)]
    said = {"equal": "is", "begin": "begins with", "end": "ends with", "any": "has"}
    verb = said.get(args.where, "matches")
    first = shown(hits[0] if hits else args.references[0])
    more = f" or {len(args.references) - 1} more" if not hits and len(args.references) > 1 else ""
    reason = f"{shown(extracted)} {verb if hits else f'not: {verb}'} {first}{more}"
    return verdict(bool(hits), reason, extracted=extracted[:200], found=hits[0] if hits else None)
