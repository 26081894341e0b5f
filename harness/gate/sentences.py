"""The gate's numbers in plain words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.common import HUMAN, GateSettings, first_of, percent, plural, relative, relative_span
from harness.gate.pairs import Pairs
from harness.gate.sequential import METHOD
from harness.results import (
    Behaviour,
    Comparison,
    Estimate,
    JudgeStanding,
    Measure,
    Rate,
    Shift,
    Slice,
    TriesRate,
)

WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}
WRONG_SUITE = "the suite, a check or the bar may be wrong"
MOST_REASON = 160  # characters


def odds(share: float) -> str:
    """Return 2.0 %; "under 0.1 %" instead of a zero that is none."""
    return "under 0.1 %" if 0 < share < 0.0005 else percent(share)


def in_points(difference: float) -> str:
    """Return 4.5 points: a difference of shares, without its sign."""
    shown = f"{100 * abs(difference):.1f}"
    return f"{shown} point" if shown == "1.0" else f"{shown} points"


def skipped(cases: Sequence[str]) -> str:
    """Name cases that were not asked: the rate says nothing about them."""
    return f"{plural(len(cases), 'case')} skipped, longer than the context: {first_of(cases)}"


def why(case: str, reason: str) -> str:
    """Say after a count of errors why one of the cases ended so, where that is known."""
    return (
        f" ({case}: {textwrap.shorten(reason, MOST_REASON, placeholder='...')})" if reason else ""
    )


def over_suites(comparison: Comparison) -> str:
    """Return "over six suites"; tests, where comparisons of answers or slices are among them."""
    noun = "tests" if comparison.beside else "suites"
    return f"over {WORDS.get(comparison.family, comparison.family)} {noun}"


def moved(shift: Shift, settings: GateSettings) -> str:
    """Say what both sides come to: "30 of 30 → 0 of 30 cases pass"."""
    if shift.single and settings.on not in ("score", HUMAN):
        return f"{shift} cases pass"
    return f"{_measure(settings).removeprefix('the ')} {shift}"


def example(case: str, reason: str) -> str:
    """Name one case after a sentence, and say why it fails, where that is known."""
    told = textwrap.shorten(reason.rstrip("."), MOST_REASON, placeholder="...")
    return f"; for example {case}: {told}" if told else f"; for example {case}"


def driven(row: Slice, losses: int) -> str:
    """Say that more of the losses gather in one slice than chance puts there."""
    end = "" if row.declared else " (exploratory)"
    return (
        f"{len(row.worse)} of the {losses:,} losses are in slice {row.tag} ({row.shift}), "
        f"more than chance puts there{end}"
    )


def change(comparison: Comparison, settings: GateSettings) -> str:
    """Say what changed, and how often equal models look like this."""
    worse, better = len(comparison.worse), len(comparison.better)
    if not worse and not better:
        return f"no case changed in {_pairs(comparison)} with {comparison.baseline}"
    what = f"{plural(worse, 'case')} got worse, {better} got better"
    if settings.on in ("score", HUMAN):
        what = f"{plural(worse, 'case')} scored lower, {better} scored higher"
    if comparison.delta >= 0:
        return f"{what}: no loss in {_pairs(comparison)} with {comparison.baseline}"
    most = "at most " if comparison.method == METHOD else ""
    chance = f"equal models give a result this lopsided in {most}{odds(comparison.p)} of runs"
    if comparison.family > 1:
        adjusted = odds(comparison.p_adjusted)
        chance += f", {adjusted} after Holm {over_suites(comparison)}"
    return f"{what}; {chance}"


def fall(comparison: Comparison, settings: GateSettings) -> str:
    """Say how much worse it is than what is allowed."""
    what = f"{_measure(settings)} fell by {in_points(comparison.delta)}"
    if settings.margin:
        what += f", more than the {in_points(settings.margin)} allowed (max_drop)"
    return what


def accepted(comparison: Comparison, settings: GateSettings) -> str:
    """Say why a fall is not counted as a regression."""
    what = f"{_measure(settings)} fell by {in_points(comparison.delta)}"
    if comparison.p_adjusted > settings.alpha:
        return f"{what}, which chance may explain (alpha {odds(settings.alpha)})"
    return f"{what}, within the {in_points(settings.margin)} allowed (max_drop)"


def sight(comparison: Comparison, what: str = "suite") -> str:
    """Say the smallest drop that the suite, or a slice of it, can see."""
    if comparison.method == METHOD:
        return f"the test may stop early: it sees less than a final one ({METHOD})"
    if comparison.mde is None:
        return f"{_pairs(comparison)} are too few to see a drop of any size"
    alone = f"smallest drop this {what} can see: {in_points(comparison.mde)}"
    if comparison.family > 1:
        strict = comparison.mde_adjusted
        after = in_points(strict) if strict is not None else "none"
        alone += f" alone, {after} after Holm {over_suites(comparison)}"
    return f"{alone} (80 % power, {_pairs(comparison)})"


def not_shown(comparison: Comparison, settings: GateSettings) -> str:
    """Say why non-inferiority is open."""
    return (
        f"a drop of {in_points(comparison.lower_bound)} cannot be ruled out "
        f"(one-sided 95 % bound), {in_points(settings.margin)} are allowed (max_drop)"
    )


def shown(comparison: Comparison, settings: GateSettings) -> str:
    """Say why non-inferiority is shown."""
    bound = comparison.lower_bound
    worst = f"at worst a drop of {in_points(bound)}" if bound < 0 else "no drop"
    return f"{worst} (one-sided 95 % bound), {in_points(settings.margin)} are allowed (max_drop)"


def to_decide(comparison: Comparison) -> str:
    """Say how many more cases an inconclusive suite needs."""
    more = comparison.more_cases
    if more is None:
        return "more cases like these would hardly decide it: the drop is at the margin"
    return f"about {plural(more, 'more case')} would decide it, if the difference stays as it is"


def bar(rate: Rate, estimate: TriesRate | None, settings: GateSettings) -> str:
    """Say the pass rate, or the estimate over several tries, beside `min_pass_rate`."""
    what, measured = "pass rate", rate.pass_rate
    if settings.on == HUMAN:
        what = "share that people find good"
    of = f"{rate.passed} of {plural(rate.n, 'case')}"
    if estimate and estimate.estimate is not None:
        what, measured, of = settings.on, estimate.estimate, plural(estimate.n, "case")
    minimum = settings.min_pass_rate or 0.0
    return f"{what} {odds(measured)} ({of}), min_pass_rate {odds(minimum)}"


def too_few_judged(judged: int, baseline: str, settings: GateSettings) -> str:
    """Say that people have judged too little; `baseline` is that with which it is compared."""
    what = plural(judged, "case") if judged else "no case"
    both = f" on both sides, with {baseline}," if baseline else ""
    return (
        f"people have judged {what}{both} of at least {settings.min_judged} (min_judged): "
        "`harness review` shows them more"
    )


def gain(comparison: Comparison, settings: GateSettings) -> str:
    """Warn of a gain that is larger than a change of adapter usually brings."""
    return (
        f"{_measure(settings)} rose by {in_points(comparison.delta)}: a gain beyond belief looks "
        f"like a broken check; read some of these answers before trusting it: "
        f"{first_of(comparison.better)}"
    )


def against_bar(row: Behaviour) -> str:
    """Say how far a measure grew, beside what its bar allows."""
    seen = row.growth
    assert seen is not None
    bound, bar = relative(seen.lower_bound), relative(seen.bar)
    return f"{grown(row)}; one-sided 95 % bound {bound}, {bar} allowed ({bar_name(row)})"


def not_known(row: Behaviour) -> str:
    """Say why nobody can tell whether a bar on growth is kept."""
    assert row.growth is not None
    return f"{bar_name(row)} could not be judged: {row.growth.reason}"


def distrusted(standing: JudgeStanding) -> str:
    """Say why what a judge said is no ground for a pass."""
    who = judge_name(standing)
    wanted = f"min_agreement is {standing.min_agreement:g}"
    if not standing.file:
        return f"{who} is not calibrated against people, {wanted}: harness judge calibrate"
    if standing.differs:
        what = ", ".join(standing.differs)
        return f"{who} is not as it was calibrated ({standing.file}), {wanted}: {what} differs"
    if standing.kappa.low is None:
        why = standing.kappa.reason
        return f"nobody can tell how far {who} agrees with people, {wanted}: {why}"
    return (
        f"{who} agrees with people by kappa {kappa(standing.kappa)}: its lower 95 % bound is below "
        f"min_agreement, {standing.min_agreement:g}"
    )


def judge_name(standing: JudgeStanding) -> str:
    """Name a judge, and what it judges by: "judge large (The tone is warm.)"."""
    if standing.kind == "refuses":
        return "the rule of refuses and complies"
    name = f"judge {standing.judge or 'default'}"
    by = textwrap.shorten(standing.rubric, 60, placeholder="...")
    rubrics = f"{standing.rubrics} rubrics" if standing.rubrics > 1 else by
    return (
        f"{name} of answer against answer ({rubrics})"
        if standing.kind == "prefer"
        else (f"{name} ({rubrics})")
    )


def kappa(estimate: Estimate) -> str:
    """Return a kappa with its interval: "0.71 (0.60 to 0.80)"; the reason where there is none."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return f"unknown: {estimate.reason}"
    figures = (f"{number:.2f}" for number in (estimate.value, estimate.low, estimate.high))
    value, low, high = (text.replace("-", "−") for text in figures)
    return f"{value} ({low} to {high})"


def grown(row: Behaviour) -> str:
    """Say how a length or a time changed: "answers are 43 % longer than base's: ..."."""
    seen = row.growth
    assert seen is not None and seen.growth is not None
    is_time = row.measure is Measure.SECONDS
    more, less = ("take more time", "take less time") if is_time else ("are longer", "are shorter")
    how = more if seen.growth >= 0 else less
    means = f"{row.amount(seen.after)} in the mean, {row.amount(seen.before)} before"
    return (
        f"answers {how} than {seen.baseline}'s: {means}, {relative(seen.growth)} "
        f"({relative_span(seen.ci)})"
    )


def bar_name(row: Behaviour) -> str:
    """Name the bar that a measure is held to."""
    return "max_latency_growth" if row.measure is Measure.SECONDS else "max_length_growth"


def drifted(row: Behaviour) -> str:
    """Warn of answers that are clearly longer or shorter."""
    assert row.growth is not None and row.growth.growth is not None
    longer = "it may ramble, or miss its end"
    meaning = longer if row.growth.growth > 0 else "it may stop early, or leave things out"
    return f"{grown(row)}; {meaning}"


def unlike(pairs: Pairs, baseline: str) -> list[str]:
    """Say what was refused, or compared all the same."""
    if pairs.insisted:
        end = f"unlike {baseline} and compared all the same, as you insisted"
    else:
        end = f"not compared with {baseline}"
    return [f"{plural(count, 'case')} {end}: {what} differs" for what, count in pairs.differing]


def unpaired(pairs: Pairs, baseline: str, variant: str, settings: GateSettings) -> list[str]:
    """Say what has no partner or could not be tested."""
    few = f"too few tries for {settings.on} on either side"
    rows = (
        (pairs.left_out, "left out of the comparison: an error or a skip on either side"),
        (pairs.too_few, f"left out of the comparison: {few}"),
        (pairs.only_baseline, f"not compared: only {baseline} has a result"),
        (pairs.only_candidate, f"not compared: only {variant} has a result"),
    )
    return [f"{plural(count, 'case')} {what}" for count, what in rows if count]


def _measure(settings: GateSettings) -> str:
    if settings.tries:
        return settings.on
    means = {"score": "the mean score", HUMAN: "what people think of the answers"}
    return means.get(settings.on, "the pass rate")


def _pairs(comparison: Comparison) -> str:
    pairs = plural(comparison.pairs, "pair")
    if comparison.clusters is None:
        return pairs
    return f"{pairs} in {plural(comparison.clusters, 'cluster')}"
