"""Who is better than whom: an order of variants as far as their comparisons support one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.gate import PairwiseComparison
from harness.nightly.values import Night
from harness.reports.words import listed, plural

MOST = 3  # variants whose lead a sentence spells out; the matrix has all


@dataclass(frozen=True)
class Ranking:
    """The variants of one suite, compared with each other; those with the higher rate first."""

    suite: str
    category: str
    variants: tuple[str, ...]
    comparisons: tuple[PairwiseComparison, ...]

    @cached_property
    def clear(self) -> tuple[PairwiseComparison, ...]:
        """The pairs in which one is clearly better, the largest difference first."""
        rows = (row for row in self.comparisons if row.leader)
        return tuple(sorted(rows, key=lambda row: -abs(row.delta or 0.0)))

    @cached_property
    def uncompared(self) -> tuple[PairwiseComparison, ...]:
        """The pairs that could not be compared."""
        return tuple(row for row in self.comparisons if row.why)

    @cached_property
    def places(self) -> tuple[tuple[str, ...], ...]:
        """The variants by place: everyone is clearly better than everyone of a later place.

        Variants share a place where nothing tells them apart as a whole: one place for all says
        that there is no ranking. A pair that was not compared is not told apart.
        """
        order = sorted(self.variants, key=lambda name: -len(self.beaten_by(name)))
        places: list[tuple[str, ...]] = []
        group: list[str] = []
        for number, name in enumerate(order, start=1):
            group.append(name)
            later = set(order[number:])
            if all(later <= self.beaten_by(each) for each in group):
                places.append(tuple(group))
                group = []
        return tuple(places)

    def beaten_by(self, name: str) -> set[str]:
        """The variants that this one is clearly better than."""
        rows = (row for row in self.comparisons if row.leader == name)
        return {row.second if row.first == name else row.first for row in rows}

    def between(self, name: str, other: str) -> PairwiseComparison | None:
        """The comparison of two variants, in whichever order it was made."""
        wanted = {name, other}
        return next((row for row in self.comparisons if {row.first, row.second} == wanted), None)

    @property
    def sentence(self) -> str:
        """What the comparisons show, in one sentence."""
        pairs = plural(len(self.comparisons), "pair")
        if len(self.places) > 1:
            return f"{'; '.join(map(_place, enumerate(self.places, start=1)))}."
        if not self.clear:
            return f"No clear difference in {pairs}."
        leading = [name for name in self.variants if self.beaten_by(name)]
        parts = [f"{name} is better than {listed(self._worse(name))}" for name in leading[:MOST]]
        parts += [f"{len(leading) - MOST} more lead others"] if len(leading) > MOST else []
        return f"No ranking; clear in {len(self.clear)} of {pairs}: {'; '.join(parts)}."

    def _worse(self, name: str) -> list[str]:
        beaten = self.beaten_by(name)
        return [each for each in self.variants if each in beaten]


def _place(numbered: tuple[int, tuple[str, ...]]) -> str:
    number, names = numbered
    return f"{number}. {listed(names, 9)}" + (" (no order among them)" if len(names) > 1 else "")


def rankings_of(night: Night) -> tuple[Ranking, ...]:
    """The rankings of a night in the order of its suites; none where nobody was compared."""
    rankings = []
    for suite in dict.fromkeys(row.suite for row in night.pairwise):
        rows = tuple(row for row in night.pairwise if row.suite == suite)
        rankings.append(Ranking(suite, _category(night, suite), _by_rate(night, suite, rows), rows))
    return tuple(rankings)


def lines_of(night: Night) -> list[str]:
    """The suites in which candidates differ clearly, a line each; one line where none does."""
    rankings = rankings_of(night)
    clear = [f"with each other, {each.suite}: {each.sentence}" for each in rankings if each.clear]
    if clear or not rankings:
        return clear
    pairs = plural(sum(len(each.comparisons) for each in rankings), "pair")
    return [
        f"with each other: no clear difference in {pairs} over {plural(len(rankings), 'suite')}"
    ]


def _by_rate(night: Night, suite: str, rows: Sequence[PairwiseComparison]) -> tuple[str, ...]:
    names = dict.fromkeys(name for row in rows for name in (row.first, row.second))
    rates = {name: night.rate(suite, name) for name in names}
    shares = {name: rate.pass_rate if rate else 0.0 for name, rate in rates.items()}
    return tuple(sorted(names, key=lambda name: -shares[name]))


def _category(night: Night, suite: str) -> str:
    return next((rate.category for rate in night.rates if rate.suite == suite), "")
