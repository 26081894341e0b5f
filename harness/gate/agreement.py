"""Agreement of a judge with people: Cohen's kappa and its interval, and what the judge leans to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.common import plural
from harness.gate.statistics import (
    BATCH,
    LEVEL,
    RESAMPLES,
    SEED,
    Floats,
    Ints,
    rate_interval,
    spread,
)
from harness.results import (
    Agreement,
    CalibrationRow,
    Consistency,
    Estimate,
    PositionBias,
    RaterAgreement,
)

FEWEST = 20  # cases: below it no figure would say anything
FEWEST_OTHER = 5  # cases with another label than the commonest one: kappa rests on them
LINEAR = "linear"


def agreement_weights(labels: int, weights: str = "") -> Floats:
    """Return how much two labels agree, from 0 to 1: a matrix of shape (labels, labels).

    Without weights 1 for the same and 0 for others; "linear" 1 − |i − j| / (labels − 1). Quadratic
    ones forgive neighbours nearly everything, so that all hangs on the few far differences: of the
    intervals below only 80 to 90 in 100 held the truth with them.
    """
    if weights != LINEAR:
        return np.eye(labels)
    steps = np.arange(labels)
    distance: Floats = np.abs(steps[:, None] - steps[None, :]) / max(1, labels - 1)
    return 1 - distance


def cohen_kappa(table: npt.ArrayLike, weights: str = "") -> float | None:
    """Return Cohen's kappa of a table of counts, rows and columns in the same order of labels.

    None where it is undefined: an empty table, and where chance alone gives full agreement.
    Sources: Cohen (1960), Educational and Psychological Measurement 20, 37-46; with weights Cohen
    (1968), Psychological Bulletin 70, 213-220.
    """
    counts: Floats = np.asarray(table, dtype=np.float64)
    found = float(_kappas(counts[None], agreement_weights(len(counts), weights))[0])
    return None if np.isnan(found) else found


def _kappas(tables: Floats, weights: Floats) -> Floats:
    """Compute kappa for tables of shape (many, labels, labels); NaN where it is undefined."""
    totals = tables.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = (tables * weights).sum(axis=(1, 2)) / totals
        rows, columns = tables.sum(axis=2), tables.sum(axis=1)
        chance = ((rows @ weights) * columns).sum(axis=1) / totals**2
        kappas: Floats = np.where(1 - chance > 1e-12, (seen - chance) / (1 - chance), np.nan)
    return kappas


def kappa_interval(tables: Floats, groups: Ints, weights: str = "") -> tuple[float, float]:
    """Return a 95 % interval for kappa from the table of each answer.

    tables: of shape (answers, labels, labels), each with the sum 1. groups: numbers from 0, one
    for each answer; answers to one case are drawn together. The percentile bootstrap over groups
    (Efron & Tibshirani 1993, ch. 13; 9,999 seeded draws, an undefined one counts as 0) is too
    narrow where few answers differ, and has no width at all where none does. So the interval
    also holds Cohen's own (1960), in which chance agreement is given, with Wilson's interval at
    the effective number of answers (`rate_interval`) for the share that differ. What more may
    differ does so by the root mean square of the differences and of one more by chance.
    """
    size, labels = len(tables), tables.shape[1]
    matrix = agreement_weights(labels, weights)
    count = int(groups.max()) + 1
    sums = np.zeros((count, labels * labels))
    np.add.at(sums, groups, tables.reshape(size, -1))
    generator = np.random.default_rng(SEED)
    draws: list[Floats] = []
    left = RESAMPLES
    while left:
        rows = min(left, max(1, BATCH // count))
        times = generator.multinomial(count, np.full(count, 1 / count), size=rows)
        drawn: Floats = (times.astype(np.float64) @ sums).reshape(rows, labels, labels)
        draws.append(np.nan_to_num(_kappas(drawn, matrix), nan=0.0))
        left -= rows
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.concatenate(draws), [tail, 1 - tail])
    table = tables.sum(axis=0)
    apart = table * (1 - np.eye(labels))
    differing = float(apart.sum())
    sizes = (1 - matrix) / size
    by_chance = np.outer(table.sum(axis=1), table.sum(axis=0)) * (1 - np.eye(labels))
    unseen = float((by_chance * sizes**2).sum()) / max(float(by_chance.sum()), 1e-9)
    reach = np.sqrt((float((apart * sizes**2).sum()) + unseen) / (differing + 1))
    same = np.trace(tables, axis1=1, axis2=2)
    chance = float((table.sum(axis=1) @ matrix) @ table.sum(axis=0)) / size**2
    if chance < 1:
        ends = [
            1 - (float((apart * sizes).sum()) + size * reach * (same.mean() - end)) / (1 - chance)
            for end in rate_interval(same, groups)
        ]
        low, high = min(low, ends[0]), max(high, ends[1])
    return max(-1.0, float(low)), min(1.0, float(high))


def agree(rows: Sequence[CalibrationRow], labels: Sequence[str], weights: str = "") -> Agreement:
    """Compare the judge with people, one of whom stands for all who labelled an answer.

    Each answer counts once: of several raters' labels each one for its part, so that the judge is
    held to what one person says, as `people_agree` holds another person.
    """
    place = {label: number for number, label in enumerate(labels)}
    read = [row for row in rows if row.judge]
    tables = np.zeros((len(read), len(labels), len(labels)))
    for number, row in enumerate(read):
        for label in row.people.values():
            tables[number, place[label], place[row.judge]] += 1 / len(row.people)
    unread = np.zeros(len(labels))
    for row in rows:
        for label in row.people.values() if not row.judge else ():
            unread[place[label]] += 1 / len(row.people)
    groups = _numbers(row.group for row in read)
    said = [set(row.people.values()) for row in read]
    accuracy, kappa = _estimates(tables, groups, weights, _lacking(groups, said, "people"))
    return Agreement(
        labels=tuple(labels),
        table=tuple(tuple(float(n) for n in row) for row in tables.sum(axis=0).round(6)),
        unread=tuple(float(n) for n in unread.round(6)),
        weights=weights,
        accuracy=accuracy,
        kappa=kappa,
        people=people_agree(rows, labels, weights),
    )


def people_agree(
    rows: Sequence[CalibrationRow], labels: Sequence[str], weights: str = ""
) -> Estimate:
    """Return the kappa of one person with another, over the answers that several labelled.

    Of an answer all pairs of its raters count, for one answer together.
    """
    place = {label: number for number, label in enumerate(labels)}
    several = [row for row in rows if len(row.people) > 1]
    if not several:
        return Estimate(reason="no answer was labelled by two people")
    tables = np.zeros((len(several), len(labels), len(labels)))
    for number, row in enumerate(several):
        pairs = list(permutations(row.people.values(), 2))
        for first, second in pairs:
            tables[number, place[first], place[second]] += 1 / len(pairs)
    groups = _numbers(row.group for row in several)
    said = [set(row.people.values()) for row in several]
    reason = _lacking(groups, said, "two people")
    return _estimates(tables, groups, weights, reason)[1]


def by_rater(
    rows: Sequence[CalibrationRow], labels: Sequence[str], weights: str = ""
) -> tuple[RaterAgreement, ...]:
    """Return the judge's kappa with each of several raters by itself."""
    raters = dict.fromkeys(name for row in rows for name in row.people)
    if len(raters) < 2:
        return ()
    found = []
    for rater in raters:
        own = [
            CalibrationRow(row.answer, row.group, {rater: row.people[rater]}, row.judge)
            for row in rows
            if rater in row.people
        ]
        found.append(RaterAgreement(rater, agree(own, labels, weights).kappa))
    return tuple(found)


def _estimates(
    tables: Floats, groups: Ints, weights: str, lack: tuple[str, str]
) -> tuple[Estimate, Estimate]:
    """Return accuracy and kappa; None with the reason where the labels do not tell."""
    n = len(tables)
    few, one_sided = lack
    if few:
        return Estimate(n=n, reason=few), Estimate(n=n, reason=few)
    same = np.trace(tables, axis1=1, axis2=2)
    accuracy = Estimate(float(same.mean()), *rate_interval(same, groups), n)
    kappa = cohen_kappa(tables.sum(axis=0), weights)
    if one_sided or kappa is None:
        reason = one_sided or "people and judge gave one and the same label every time"
        return accuracy, Estimate(n=n, reason=reason)
    return accuracy, Estimate(kappa, *kappa_interval(tables, groups, weights), n)


def _lacking(groups: Ints, said: Sequence[set[str]], who: str) -> tuple[str, str]:
    """Say why labels do not tell: of any figure, and of kappa alone; empty where they do.

    groups: the case of each answer; said: the labels that it got, of `who`.
    """
    cases = len(set(groups.tolist()))
    if cases < FEWEST:
        found = plural(cases, "case") if cases else "no case"
        return f"{found} with a label of {who} and a verdict, at least {FEWEST} are needed", ""
    counts = Counter(label for labels in said for label in labels)
    (commonest, _), *others = counts.most_common()
    if not others:
        return "", f"every label is {commonest!r}: of other answers nothing is known"
    other = {g for g, labels in zip(groups.tolist(), said, strict=True) if labels - {commonest}}
    if len(other) < FEWEST_OTHER:
        have = plural(len(other), "case")
        return "", (
            f"only {have} with another label than {commonest!r}, at least {FEWEST_OTHER} are needed"
        )
    return "", ""


@dataclass(frozen=True, slots=True)
class Favour:
    """How far judge and people favour one answer, from 0 to 1, and how long it is.

    Of two answers: how far they prefer the longer one; `length` is then the difference.
    """

    group: str
    judge: float
    people: float
    length: int


def length_bias(items: Sequence[Favour], *, pairs: bool) -> Estimate:
    """Return how much more a judge favours longer answers than people do.

    pairs: the mean of judge − people over pairs of different length, each saying how far the longer
    one is preferred. Else that of the longer half of all answers less that of the shorter half. A
    mean difference has the gate's interval (`spread`); the two halves' errors are added.
    """
    if pairs:
        items = [item for item in items if item.length]
    groups = _numbers(item.group for item in items)
    if (cases := len(set(groups.tolist()))) < FEWEST:
        what = "pairs of different length" if pairs else "labelled answers"
        found = plural(cases, "case") if cases else "no case"
        return Estimate(n=len(items), reason=f"{found} with {what}, at least {FEWEST} are needed")
    changes = np.array([item.judge - item.people for item in items])
    if pairs:
        seen = spread(changes, groups, binary=False)
        return Estimate(seen.delta, *seen.interval(), len(items))
    lengths = np.array([item.length for item in items])
    is_long = lengths > np.median(lengths)
    if not is_long.any():
        return Estimate(n=len(items), reason="the answers are of one length")
    halves = [
        spread(changes[part], np.unique(groups[part], return_inverse=True)[1], binary=False)
        for part in (is_long, ~is_long)
    ]
    longer, shorter = halves
    # Student's quantile of the half with fewer cases: never too narrow.
    reach = max(half.quantile((1 + LEVEL) / 2) for half in halves)
    error = float(np.hypot(longer.error, shorter.error))
    centre, value = longer.centre - shorter.centre, longer.delta - shorter.delta
    low, high = centre - reach * error, centre + reach * error
    return Estimate(value, max(-1.0, min(low, value)), min(1.0, max(high, value)), len(items))


def position_bias(groups: Sequence[str], replies: Sequence[tuple[str, str]]) -> PositionBias:
    """Return whether a judge leans to a place.

    replies: of each pair what it chose with the answers in one order, and in the other: "A" is the
    one shown first, "B" the second, or "TIE". groups: the case of each pair.
    """
    numbers = _numbers(groups)
    if (cases := len(set(numbers.tolist()))) < FEWEST:
        lack = f"{plural(cases, 'pair')} read in both orders, at least {FEWEST} are needed"
        return PositionBias(Estimate(n=len(replies), reason=lack), Estimate(reason=lack))
    opposite = {"A": "B", "B": "A", "TIE": "TIE"}
    flips = np.array([float(second != opposite[first]) for first, second in replies])
    named = [
        (number, [float(choice == "A") for choice in both if choice != "TIE"])
        for number, both in zip(numbers.tolist(), replies, strict=True)
    ]
    chosen = [(number, sum(said) / len(said)) for number, said in named if said]
    first = Estimate(reason="it named no answer, only ties")
    if chosen:
        shares = np.array([share for _, share in chosen])
        where = np.unique([number for number, _ in chosen], return_inverse=True)[1]
        first = Estimate(float(shares.mean()), *rate_interval(shares, where), len(chosen))
    return PositionBias(
        first, Estimate(float(flips.mean()), *rate_interval(flips, numbers), len(flips))
    )


def consistency(
    repeats: int, said: Mapping[str, Sequence[str]], groups: Mapping[str, str]
) -> Consistency:
    """Return how often a judge repeats itself: of each answer the share of equal pairs of replies.

    said: by answer, what was read of its replies; one with fewer than two tells nothing.
    """
    several = {answer: labels for answer, labels in said.items() if len(labels) > 1}
    numbers = _numbers(groups[answer] for answer in several)
    if (cases := len(set(numbers.tolist()))) < FEWEST:
        lack = f"{plural(cases, 'case')} with two readable replies, at least {FEWEST} are needed"
        return Consistency(repeats, Estimate(n=len(several), reason=lack))
    shares = []
    for labels in several.values():
        n = len(labels)
        equal = sum(times * (times - 1) for times in Counter(labels).values())
        shares.append(equal / (n * (n - 1)))
    same = np.array(shares)
    unstable = [answer for answer, labels in several.items() if len(set(labels)) > 1]
    estimate = Estimate(float(same.mean()), *rate_interval(same, numbers), len(several))
    return Consistency(repeats, estimate, tuple(unstable))


def _numbers(names: Iterable[str]) -> Ints:
    """Number names in order of appearance."""
    numbers: dict[str, int] = {}
    found: list[Any] = [numbers.setdefault(name, len(numbers)) for name in names]
    return np.array(found, dtype=np.int64)
