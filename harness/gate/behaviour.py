"""How long answers are, how fast, and what they cost: figures, and their growth with its bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from harness.common import GateSettings, Prices, plural
from harness.gate.statistics import (
    LEVEL,
    Clustered,
    group_sums,
    groups_of,
    ratio_bounds,
    t_quantile,
)
from harness.results import Behaviour, Growth, Measure, Result

FEWEST_CLUSTERS = 5  # independent units: with fewer, a Student interval says nothing
# A drift of length is told from here on, where the interval leaves no doubt that there is one.
DRIFT, CLEAR_DRIFT = 0.25, 0.10

SEVERAL = "several machines"  # no digest is called so
NOT_COUNTED = "the engine counted no tokens"
NO_TEXT = "the answers are not kept"
NO_TIME = (
    "no times: recorded answers, a baseline file, several replicas, or a store from before times "
    "were kept"
)
MANY_MACHINES = "the answers come from several machines or engines, or were driven differently"
NO_FIRST = "the engine does not say when the first token was there"
NO_PRICES = "no prices are configured for it"
ELSEWHERE = (
    "the baseline's answers come from another machine or engine, or shared batches with others "
    "(max_latency_growth has each variant answer by itself)"
)


@dataclass(slots=True)
class Taken:
    """What the judged answers to one case took, summed up over its repeats.

    `uncounted`, `untold` and `unread` count the repeats without counts of tokens, without a time to
    the first token, and without a text. `machine` is where they were answered: empty where nobody
    knows, `SEVERAL` for more than one. There is one for each case and variant of a run, so that it
    is kept small.
    """

    repeats: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    characters: int = 0
    reasoning_tokens: int = 0
    seconds: float = 0.0
    first_token: float = 0.0
    uncounted: int = 0
    unread: int = 0
    untold: int = 0
    machine: str = ""

    def add(self, result: Result) -> None:
        """Add one judged result."""
        if not self.repeats:
            self.machine = result.machine
        elif result.machine != self.machine:
            self.machine = SEVERAL if result.machine and self.machine else ""
        self.repeats += 1
        self.prompt_tokens += result.prompt_tokens
        self.tokens += result.completion_tokens
        self.uncounted += not result.counted
        characters = result.characters
        self.unread += characters is None
        self.characters += characters or 0
        self.reasoning_tokens += result.reasoning_tokens
        self.seconds += result.seconds
        self.untold += result.first_token is None
        self.first_token += result.first_token or 0.0


class Answered(Clustered, Protocol):
    """A case with what its answers took."""

    @property
    def taken(self) -> Taken:
        """What its judged answers took."""


@dataclass(frozen=True, slots=True)
class Rival:
    """The baseline that a variant is compared with, and the cases in which it may be."""

    name: str
    items: Mapping[str, Answered]
    cases: Sequence[str]
    prices: Prices | None = None


_TIMED = (Measure.SECONDS, Measure.FIRST_TOKEN, Measure.TOKENS_PER_SECOND)
_COUNTED = (Measure.TOKENS, Measure.REASONING, Measure.TOKENS_PER_SECOND, Measure.COST)
_UNITS = {
    Measure.TOKENS: "tokens",
    Measure.CHARACTERS: "characters",
    Measure.REASONING: "tokens",
    Measure.SECONDS: "s",
    Measure.FIRST_TOKEN: "s",
    Measure.TOKENS_PER_SECOND: "tokens/s",
}


def behaviour_of(
    items: Mapping[str, Answered],
    prices: Prices | None = None,
    rival: Rival | None = None,
    bars: GateSettings | None = None,
) -> tuple[Behaviour, ...]:
    """Return all measures of one variant on one suite, and how they grew from the baseline's.

    `bars` are those that the growth is held to, where the variant is gated. The cost is left out
    where neither side has prices, reasoning where neither reasons.
    """
    answered = {case: item for case, item in items.items() if item.taken.repeats}
    both = [*answered.values(), *(rival.items.values() if rival else ())]
    left_out = set()
    if prices is None and (rival is None or rival.prices is None):
        left_out.add(Measure.COST)
    if not any(item.taken.reasoning_tokens for item in both):
        left_out.add(Measure.REASONING)
    found = {}
    for measure in (m for m in Measure if answered and m not in left_out):
        values = [value_of(item.taken, measure, prices) for item in answered.values()]
        known = [value for value in values if isinstance(value, float)]
        reasons = [value for value in values if isinstance(value, str)]
        machines = {item.taken.machine for item in answered.values()} - {""}
        if measure in _TIMED and known and len(machines) > 1:
            known, reasons = [], [MANY_MACHINES]
        told = prices or (rival.prices if rival else None)
        found[measure] = Behaviour(
            measure=measure,
            n=len(known),
            mean=float(np.mean(known)) if known else None,
            unit=_UNITS.get(measure) or (told.currency if told else ""),
            reason="" if known else Counter(reasons).most_common(1)[0][0],
            growth=_growth(answered, measure, prices, rival) if rival else None,
        )
    if bars is not None and rival is not None and found:
        tokens = found[Measure.TOKENS].growth
        length = Measure.TOKENS if tokens and tokens.pairs else Measure.CHARACTERS
        limits = {length: bars.max_length_growth, Measure.SECONDS: bars.max_latency_growth}
        for measure, bar in limits.items():
            row = found[measure]
            if bar is not None and row.growth is not None:
                found[measure] = replace(row, growth=replace(row.growth, bar=bar))
    return tuple(found.values())


def value_of(taken: Taken, measure: Measure, prices: Prices | None) -> float | str:
    """Return a measure of one case, the mean over its repeats; a text says why there is none."""
    n = taken.repeats
    if measure in _TIMED and taken.machine == SEVERAL:
        return MANY_MACHINES
    if measure in _TIMED and not (taken.machine and taken.seconds > 0):
        return NO_TIME
    if measure in _COUNTED and taken.uncounted:
        return NOT_COUNTED
    match measure:
        case Measure.TOKENS:
            return taken.tokens / n
        case Measure.CHARACTERS:
            return NO_TEXT if taken.unread else taken.characters / n
        case Measure.REASONING:
            return taken.reasoning_tokens / n
        case Measure.SECONDS:
            return taken.seconds / n
        case Measure.FIRST_TOKEN:
            return NO_FIRST if taken.untold else taken.first_token / n
        case Measure.TOKENS_PER_SECOND:
            return taken.tokens / taken.seconds
        case Measure.COST:
            return (
                NO_PRICES
                if prices is None
                else 1000 * prices.cost(taken.prompt_tokens, taken.tokens) / n
            )


def _growth(
    items: Mapping[str, Answered], measure: Measure, prices: Prices | None, rival: Rival
) -> Growth:
    """Compare one measure over the pairs in which both sides have it, times on one machine."""
    pairs: list[tuple[Answered, float, float]] = []
    reasons: Counter[str] = Counter()
    for case in rival.cases:
        mine, other = items[case], rival.items[case]
        new = value_of(mine.taken, measure, prices)
        old = value_of(other.taken, measure, rival.prices)
        if isinstance(old, str):
            reasons[f"{rival.name}: {old}"] += 1
        elif isinstance(new, str):
            reasons[new] += 1
        elif measure in _TIMED and mine.taken.machine != other.taken.machine:
            reasons[ELSEWHERE] += 1
        else:
            pairs.append((mine, old, new))
    groups = groups_of([item for item, _, _ in pairs])
    clusters = int(groups.max()) + 1 if pairs else 0
    if not pairs:
        reason = reasons.most_common(1)[0][0] if reasons else "no case could be compared"
        return Growth(rival.name, 0, 0, reason=reason)
    before = np.array([old for _, old, _ in pairs])
    after = np.array([new for _, _, new in pairs])
    seen = Growth(rival.name, len(pairs), clusters, float(before.mean()), float(after.mean()))
    if clusters < FEWEST_CLUSTERS:
        few = f"{plural(clusters, 'independent case')}, at least {FEWEST_CLUSTERS} are needed"
        return replace(seen, reason=few)
    if not seen.before:
        return replace(seen, reason=f"{rival.name} has none: there is no ratio to nothing")
    sums = group_sums(before, groups), group_sums(after, groups)
    two_sided = ratio_bounds(*sums, t_quantile((1 + LEVEL) / 2, clusters - 1))
    one_sided = ratio_bounds(*sums, t_quantile(LEVEL, clusters - 1))
    if two_sided is None or one_sided is None:
        wide = f"the figures of {rival.name} vary too much for a ratio to their mean"
        return replace(seen, reason=wide)
    return replace(
        seen,
        growth=float(after.mean() / before.mean()) - 1,
        low=two_sided[0] - 1,
        high=two_sided[1] - 1,
        lower_bound=one_sided[0] - 1,
    )


def drift(behaviour: Sequence[Behaviour]) -> Behaviour | None:
    """Return the length, in tokens or else in characters, where it clearly drifted either way."""
    lengths = {row.measure: row for row in behaviour if row.growth and row.growth.ci}
    row = lengths.get(Measure.TOKENS) or lengths.get(Measure.CHARACTERS)
    if row is None or row.growth is None or row.growth.ci is None or row.growth.growth is None:
        return None
    low, high = row.growth.ci
    is_clear = low > CLEAR_DRIFT or high < -CLEAR_DRIFT
    return row if is_clear and abs(row.growth.growth) >= DRIFT else None
