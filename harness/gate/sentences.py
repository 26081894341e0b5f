"""The gate's numbers in plain words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.common import GateSettings
from harness.gate.pairs import Pairs
from harness.gate.sequential import METHOD
from harness.results import Comparison, Rate

WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}
MOST_NAMES = 5
MOST_REASON = 160  # characters


def percent(share: float) -> str:
    """2.0 %; "under 0.1 %" instead of a zero that is none."""
    if 0 < share < 0.0005:
        return "under 0.1 %"
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """4.5 points: a difference of shares, without its sign."""
    shown = f"{100 * abs(difference):.1f}"
    return f"{shown} point" if shown == "1.0" else f"{shown} points"


def counted(number: int, noun: str) -> str:
    """1 case, 7 cases."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def names(cases: Sequence[str]) -> str:
    """The first five cases, and how many more there are."""
    shown = ", ".join(cases[:MOST_NAMES])
    more = len(cases) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def skipped(cases: Sequence[str]) -> str:
    """Cases that were not asked: the rate says nothing about them."""
    return f"{counted(len(cases), 'case')} skipped, longer than the context: {names(cases)}"


def why(case: str, reason: str) -> str:
    """After a count of errors: why one of the cases ended so; nothing where that is not known."""
    return (
        f" ({case}: {textwrap.shorten(reason, MOST_REASON, placeholder='...')})" if reason else ""
    )


def over_suites(family: int) -> str:
    """Over six suites."""
    return f"over {WORDS.get(family, family)} suites"


def change(comparison: Comparison, settings: GateSettings) -> str:
    """What changed, and how often equal models look like this."""
    worse, better = len(comparison.worse), len(comparison.better)
    if not worse and not better:
        return f"no case changed in {_pairs(comparison)} with {comparison.baseline}"
    what = f"{counted(worse, 'case')} got worse, {better} got better"
    if settings.on == "score":
        what = f"{counted(worse, 'case')} scored lower, {better} scored higher"
    if comparison.delta >= 0:
        return f"{what}: no loss in {_pairs(comparison)} with {comparison.baseline}"
    most = "at most " if comparison.method == METHOD else ""
    odds = f"equal models give a result this lopsided in {most}{percent(comparison.p)} of runs"
    if comparison.family > 1:
        adjusted = percent(comparison.p_adjusted)
        odds += f", {adjusted} after Holm {over_suites(comparison.family)}"
    return f"{what}; {odds}"


def fall(comparison: Comparison, settings: GateSettings) -> str:
    """How much worse it is than what is allowed."""
    what = f"{_measure(settings)} fell by {points(comparison.delta)}"
    if settings.margin:
        what += f", more than the {points(settings.margin)} allowed (max_drop)"
    return what


def accepted(comparison: Comparison, settings: GateSettings) -> str:
    """Why a fall is not counted as a regression."""
    what = f"{_measure(settings)} fell by {points(comparison.delta)}"
    if comparison.p_adjusted > settings.alpha:
        return f"{what}, which chance may explain (alpha {percent(settings.alpha)})"
    return f"{what}, within the {points(settings.margin)} allowed (max_drop)"


def sight(comparison: Comparison) -> str:
    """The smallest drop that the suite can see."""
    if comparison.method == METHOD:
        return f"the test may stop early: it sees less than a final one ({METHOD})"
    if comparison.mde is None:
        return f"{_pairs(comparison)} are too few to see a drop of any size"
    alone = f"smallest drop this suite can see: {points(comparison.mde)}"
    if comparison.family > 1:
        strict = comparison.mde_adjusted
        after = points(strict) if strict is not None else "none"
        alone += f" alone, {after} after Holm {over_suites(comparison.family)}"
    return f"{alone} (80 % power, {_pairs(comparison)})"


def not_shown(comparison: Comparison, settings: GateSettings) -> str:
    """Why non-inferiority is open."""
    return (
        f"a drop of {points(comparison.lower_bound)} cannot be ruled out "
        f"(one-sided 95 % bound), {points(settings.margin)} are allowed (max_drop)"
    )


def shown(comparison: Comparison, settings: GateSettings) -> str:
    """Why non-inferiority is shown."""
    bound = comparison.lower_bound
    worst = f"at worst a drop of {points(bound)}" if bound < 0 else "no drop"
    return f"{worst} (one-sided 95 % bound), {points(settings.margin)} are allowed (max_drop)"


def to_decide(comparison: Comparison) -> str:
    """How many more cases an inconclusive suite needs."""
    more = comparison.more_cases
    if more is None:
        return "more cases like these would hardly decide it: the drop is at the margin"
    return f"about {counted(more, 'more case')} would decide it, if the difference stays as it is"


def bar(rate: Rate, minimum: float) -> str:
    """The pass rate beside `min_pass_rate`."""
    passed = f"{rate.passed} of {counted(rate.n, 'case')}"
    return f"pass rate {percent(rate.pass_rate)} ({passed}), min_pass_rate {percent(minimum)}"


def gain(comparison: Comparison, settings: GateSettings) -> str:
    """A gain that is larger than a change of adapter usually brings."""
    return (
        f"{_measure(settings)} rose by {points(comparison.delta)}: a gain beyond belief looks like "
        f"a broken check; read some of these answers before trusting it: "
        f"{names(comparison.better)}"
    )


def unlike(pairs: Pairs, baseline: str) -> list[str]:
    """What was refused, or compared all the same."""
    if pairs.insisted:
        end = f"unlike {baseline} and compared all the same, as you insisted"
    else:
        end = f"not compared with {baseline}"
    return [f"{counted(count, 'case')} {end}: {what} differs" for what, count in pairs.differing]


def unpaired(pairs: Pairs, baseline: str, variant: str) -> list[str]:
    """What has no partner or could not be tested."""
    rows = (
        (pairs.left_out, "left out of the comparison: an error or a skip on either side"),
        (pairs.only_baseline, f"not compared: only {baseline} has a result"),
        (pairs.only_candidate, f"not compared: only {variant} has a result"),
    )
    return [f"{counted(count, 'case')} {what}" for count, what in rows if count]


def _measure(settings: GateSettings) -> str:
    return "the mean score" if settings.on == "score" else "the pass rate"


def _pairs(comparison: Comparison) -> str:
    pairs = counted(comparison.pairs, "pair")
    if comparison.clusters is None:
        return pairs
    return f"{pairs} in {counted(comparison.clusters, 'cluster')}"
