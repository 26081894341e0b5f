"""How long answers are, how fast, and what they cost: figures, and their growth with its bars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harness.common import GateSettings, Prices, plural
from harness.gate.statistics import (
    LEVEL,
    Clustered,
    Floats,
    Ints,
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
class Opponent:
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


@dataclass(frozen=True, slots=True)
class _Sums:
    """What the answers to several cases took: `table` has a row for each, a column for each field.

    Whole suites are reckoned with at once: a run may have a million cases and variants.
    """

    table: Floats
    machines: npt.NDArray[np.object_]

    @classmethod
    def of(cls, taken: Iterable[Taken]) -> _Sums:
        """Return the sums of these cases, in their order."""
        every = list(taken)
        return cls(
            np.array(list(map(attrgetter(*_FIELDS), every)), dtype=np.float64),
            np.array([each.machine for each in every], dtype=object),
        )

    def known(self, measure: Measure, prices: Prices | None) -> _Known:
        """Return a measure of each case, the mean over its repeats, and why some have none."""
        column = dict(zip(_FIELDS, self.table.T, strict=True))
        n, tokens, seconds = column["repeats"], column["tokens"], column["seconds"]
        lacking: list[tuple[npt.NDArray[np.bool_], str]] = []
        if measure in _TIMED:
            lacking.append((self.machines == SEVERAL, MANY_MACHINES))
            lacking.append(((self.machines == "") | (seconds <= 0), NO_TIME))
        if measure in _COUNTED:
            lacking.append((column["uncounted"] > 0, NOT_COUNTED))
        values: Floats = tokens / n
        match measure:
            case Measure.CHARACTERS:
                values = column["characters"] / n
                lacking.append((column["unread"] > 0, NO_TEXT))
            case Measure.REASONING:
                values = column["reasoning_tokens"] / n
            case Measure.SECONDS:
                values = seconds / n
            case Measure.FIRST_TOKEN:
                values = column["first_token"] / n
                lacking.append((column["untold"] > 0, NO_FIRST))
            case Measure.TOKENS_PER_SECOND:
                values = tokens / np.where(seconds > 0, seconds, 1.0)
            case Measure.COST:
                each = (prices.cost(1, 0), prices.cost(0, 1)) if prices else (0.0, 0.0)
                values = 1000 * (column["prompt_tokens"] * each[0] + tokens * each[1]) / n
                if prices is None:
                    lacking.append((n > 0, NO_PRICES))
        has = np.ones(len(n), dtype=bool)
        reasons = []
        for mask, reason in lacking:  # the first that holds is the case's
            reasons.append((mask & has, reason))
            has &= ~mask
        return _Known(values, has, tuple(reasons))


@dataclass(frozen=True, slots=True)
class _Known:
    """One measure of several cases: `values` count where `has` is true; else a reason does."""

    values: Floats
    has: npt.NDArray[np.bool_]
    reasons: tuple[tuple[npt.NDArray[np.bool_], str], ...]


_FIELDS = tuple(each.name for each in fields(Taken) if each.name != "machine")


def behaviour_of(
    items: Mapping[str, Answered],
    prices: Prices | None = None,
    rival: Opponent | None = None,
    bars: GateSettings | None = None,
) -> tuple[Behaviour, ...]:
    """Return all measures of one variant on one suite, and how they grew from the baseline's.

    `bars` are those that the growth is held to, where the variant is gated. The cost is left out
    where neither side has prices, reasoning where neither reasons.
    """
    mine = _Sums.of(item.taken for item in items.values() if item.taken.repeats)
    if not mine.machines.size:
        return ()
    paired: list[Answered] = []
    sides: tuple[_Sums, _Sums] | None = None
    thinks = mine.table[:, _FIELDS.index("reasoning_tokens")].any()
    if rival is not None:
        paired = [items[case] for case in rival.cases]
        if paired:
            others = _Sums.of(rival.items[case].taken for case in rival.cases)
            sides = others, _Sums.of(item.taken for item in paired)
            thinks |= others.table[:, _FIELDS.index("reasoning_tokens")].any()
    groups = groups_of(paired)
    told = prices or (rival.prices if rival else None)
    found = {}
    for measure in Measure:
        if (measure is Measure.COST and told is None) or (
            measure is Measure.REASONING and not thinks
        ):
            continue
        own = mine.known(measure, prices)
        counts = {reason: int(mask.sum()) for mask, reason in own.reasons}
        n = int(own.has.sum())
        if measure in _TIMED and len(set(mine.machines[own.has])) > 1:
            n, counts = 0, {MANY_MACHINES: 1}
        growth = None
        if rival is not None:
            growth = Growth(rival.name, 0, 0, reason="no case could be compared")
            if sides is not None:
                growth = _growth(sides, groups, measure, prices, rival)
        found[measure] = Behaviour(
            measure=measure,
            n=n,
            mean=float(own.values[own.has].mean()) if n else None,
            unit=_UNITS.get(measure) or (told.currency if told else ""),
            reason="" if n else max(counts, key=counts.__getitem__),
            growth=growth,
        )
    if bars is not None and rival is not None:
        tokens = found[Measure.TOKENS].growth
        length = Measure.TOKENS if tokens and tokens.pairs else Measure.CHARACTERS
        limits = {length: bars.max_length_growth, Measure.SECONDS: bars.max_latency_growth}
        for measure, bar in limits.items():
            row = found[measure]
            if bar is not None and row.growth is not None:
                found[measure] = replace(row, growth=replace(row.growth, bar=bar))
    return tuple(found.values())


def _growth(
    sides: tuple[_Sums, _Sums],
    groups: Ints,
    measure: Measure,
    prices: Prices | None,
    rival: Opponent,
) -> Growth:
    """Compare one measure over the pairs in which both sides have it, times on one machine.

    `sides` are the baseline's cases and the variant's, pair by pair, in clusters by `groups`.
    """
    old, new = sides[0].known(measure, rival.prices), sides[1].known(measure, prices)
    counts = {f"{rival.name}: {reason}": int(mask.sum()) for mask, reason in old.reasons}
    counts |= {reason: int((mask & old.has).sum()) for mask, reason in new.reasons}
    both = old.has & new.has
    if measure in _TIMED:
        elsewhere = both & (sides[0].machines != sides[1].machines)
        counts[ELSEWHERE] = int(elsewhere.sum())
        both &= ~elsewhere
    if not both.any():
        return Growth(rival.name, 0, 0, reason=max(counts, key=counts.__getitem__))
    before, after = old.values[both], new.values[both]
    numbers, own_groups = np.unique(groups[both], return_inverse=True)
    clusters = len(numbers)
    seen = Growth(rival.name, len(before), clusters, float(before.mean()), float(after.mean()))
    if clusters < FEWEST_CLUSTERS:
        few = f"{plural(clusters, 'independent case')}, at least {FEWEST_CLUSTERS} are needed"
        return replace(seen, reason=few)
    if not seen.before:
        return replace(seen, reason=f"{rival.name} has none: there is no ratio to nothing")
    sums = group_sums(before, own_groups), group_sums(after, own_groups)
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
