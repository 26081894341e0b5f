"""Checks made of checks, in three-valued logic: true, false, cannot tell."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from harness.common import JsonValue
from harness.scorers.arguments import FILLED, Count, filled, wrong
from harness.scorers.check import Check, CheckField
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.values import Answer, Context, Finding, Question

Checks = Annotated[tuple[CheckField, ...], BeforeValidator(filled), FILLED]


class NotArgs(Args):
    """`check`: what must not hold."""

    check: CheckField


class OfArgs(Args):
    """`of`: the checks that are combined."""

    of: Checks


class AtLeastArgs(OfArgs):
    """`n`: how many of the checks must hold."""

    n: Annotated[Count, Field(ge=1)]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.n > len(self.of):
            raise wrong("at_least", f"n is {self.n}, and there are {len(self.of)} checks")
        return self


def _asks_one(answer: Answer, context: Context, args: NotArgs) -> tuple[Question, ...]:
    return args.check.questions(answer, context)


def _asks_all(answer: Answer, context: Context, args: OfArgs) -> tuple[Question, ...]:
    return tuple(q for check in args.of for q in check.questions(answer, context))


@scorer(
    "not",
    version=1,
    asks=_asks_one,
    shorthand="check",
    nested=True,
    example=Example({"contains": "```"}, '{"a": 1}', '```json\n{"a": 1}\n```'),
)
def negation(answer: Answer, context: Context, args: NotArgs) -> Finding:
    """The check does not hold; cannot tell where the check cannot tell."""
    child = args.check(answer, context)
    detail: dict[str, JsonValue] = {"checks": [_row(args.check, child)]}
    if child.passed is None:
        return Finding(None, 0.0, child.reason, detail)
    passed = not child.passed
    return Finding(passed, float(passed), f"not {args.check.name}: {child.reason}", detail)


@scorer(
    "all_of",
    version=1,
    asks=_asks_all,
    shorthand="of",
    example=Example([{"contains": "a"}, {"contains": "b"}], "a and b", "only a"),
)
def all_of(answer: Answer, context: Context, args: OfArgs) -> Finding:
    """All of the checks hold; the score is their weighted mean."""
    return _combined(answer, context, args.of, len(args.of))


@scorer(
    "any_of",
    version=1,
    asks=_asks_all,
    shorthand="of",
    example=Example([{"contains": "Paris"}, {"contains": "巴黎"}], "巴黎。", "Rome."),
)
def any_of(answer: Answer, context: Context, args: OfArgs) -> Finding:
    """At least one of the checks holds; the score is the best of theirs."""
    return _combined(answer, context, args.of, 1)


@scorer(
    "at_least",
    version=1,
    asks=_asks_all,
    example=Example(
        {"n": 2, "of": [{"contains": "a"}, {"contains": "b"}, {"contains": "c"}]}, "a, b", "only c"
    ),
)
def at_least(answer: Answer, context: Context, args: AtLeastArgs) -> Finding:
    """At least `n` of the checks hold; the score is the weighted mean of the best `n`."""
    return _combined(answer, context, args.of, args.n)


def _combined(answer: Answer, context: Context, checks: tuple[Check, ...], n: int) -> Finding:
    found = [(check, check(answer, context)) for check in checks]
    true = sum(finding.passed is True for _, finding in found)
    unknown = sum(finding.passed is None for _, finding in found)
    passed = True if true >= n else None if true + unknown >= n else False
    detail: dict[str, JsonValue] = {"checks": [_row(check, finding) for check, finding in found]}
    # The weighted mean of the n best scores.
    best = sorted(found, key=lambda pair: pair[1].score, reverse=True)[:n]
    weight = sum(check.weight for check, _ in best)
    score = min(1.0, sum(check.weight * finding.score for check, finding in best) / weight)
    # The reasons of the checks that decided; how many held, where that says more.
    deciding = [f"{check.name}: {f.reason}" for check, f in found if f.passed is passed]
    head = f"{true} of {len(found)} hold, wanted {n}: " if passed is not True else ""
    more = f" and {len(deciding) - 3} more" if len(deciding) > 3 else ""
    return Finding(passed, score, head + "; ".join(deciding[:3]) + more, detail)


def _row(check: Check, finding: Finding) -> JsonValue:
    return {
        "check": check.name,
        "passed": finding.passed,
        "score": finding.score,
        "reason": finding.reason,
        "detail": dict(finding.detail),
    }
