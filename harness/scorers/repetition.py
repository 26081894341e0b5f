"""The check on repetition, a plain sign of lost fluency."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import Field

from harness.scorers.arguments import Count, Share
from harness.scorers.counting import words
from harness.scorers.limits import shown
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.unicode_text import folded
from harness.scorers.values import Answer, Context, Finding, verdict


class NoRepetitionArgs(Args):
    """`n`: words in an n-gram. `max`: the largest share of n-grams that may repeat earlier ones."""

    n: Annotated[Count, Field(ge=1, le=20)] = 4
    max: Share = 0.25


@scorer(
    "no_repetition",
    version=1,
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
