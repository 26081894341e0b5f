"""Who is better than whom: an order of variants as far as their comparisons support one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.common import joined, plural, points, points_span, probability
from harness.gate import PairwiseComparison
from harness.nightly.values import Night
from harness.reports import escaped

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
        """Return the pairs in which one is clearly better, the largest difference first."""
        rows = (row for row in self.comparisons if row.leader)
        return tuple(sorted(rows, key=lambda row: -abs(row.delta or 0.0)))

    @cached_property
    def uncompared(self) -> tuple[PairwiseComparison, ...]:
        """Return the pairs that could not be compared."""
        return tuple(row for row in self.comparisons if row.why)

    @cached_property
    def places(self) -> tuple[tuple[str, ...], ...]:
        """Place the variants: everyone is clearly better than everyone of a later place.

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
        """Return the variants that this one is clearly better than."""
        rows = (row for row in self.comparisons if row.leader == name)
        return {row.second if row.first == name else row.first for row in rows}

    def between(self, name: str, other: str) -> PairwiseComparison | None:
        """Return the comparison of two variants, in whichever order it was made."""
        wanted = {name, other}
        return next((row for row in self.comparisons if {row.first, row.second} == wanted), None)

    @property
    def sentence(self) -> str:
        """Say what the comparisons show, in one sentence."""
        pairs = plural(len(self.comparisons), "pair")
        if len(self.places) > 1:
            said = []
            for number, names in enumerate(self.places, start=1):
                alike = " (no order among them)" if len(names) > 1 else ""
                said.append(f"{number}. {joined(names, 9)}{alike}")
            return f"{'; '.join(said)}."
        if not self.clear:
            return f"No clear difference in {pairs}."
        leading = [name for name in self.variants if self.beaten_by(name)]
        parts = []
        for name in leading[:MOST]:
            beaten = self.beaten_by(name)
            worse = [each for each in self.variants if each in beaten]
            parts.append(f"{name} is better than {joined(worse)}")
        parts += [f"{len(leading) - MOST} more lead others"] if len(leading) > MOST else []
        return f"No ranking; clear in {len(self.clear)} of {pairs}: {'; '.join(parts)}."


def rankings_of(night: Night) -> tuple[Ranking, ...]:
    """Return the rankings of a night by suite; none where nobody was compared."""
    rankings = []
    for suite in dict.fromkeys(row.suite for row in night.pairwise):
        rows = tuple(row for row in night.pairwise if row.suite == suite)
        category = next((rate.category for rate in night.rates if rate.suite == suite), "")
        names = dict.fromkeys(name for row in rows for name in (row.first, row.second))
        rates = {name: night.rate(suite, name) for name in names}
        shares = {name: rate.pass_rate if rate else 0.0 for name, rate in rates.items()}
        by_rate = tuple(sorted(names, key=lambda name: -shares[name]))
        rankings.append(Ranking(suite, category, by_rate, rows))
    return tuple(rankings)


def lines_of(night: Night) -> list[str]:
    """Tell the suites in which candidates differ clearly, a line each; one where none does."""
    rankings = rankings_of(night)
    clear = [f"with each other, {each.suite}: {each.sentence}" for each in rankings if each.clear]
    if clear or not rankings:
        return clear
    pairs = plural(sum(len(each.comparisons) for each in rankings), "pair")
    return [
        f"with each other: no clear difference in {pairs} over {plural(len(rankings), 'suite')}"
    ]


MOST_NAMED = 4  # columns that still have room for names; more of them have the numbers of the rows
SMALLEST = 3  # variants that make a table; of two, a sentence says all
SIGNS = {"better": "▲", "worse": "▼", "open": "", "none": ""}
SPOKEN = {"better": "clearly better", "worse": "clearly worse", "open": "not clear"}
LEGEND = (
    "Percentage points by which the variant of the row passes more cases than that of the column; "
    "▲ clearly better, ▼ clearly worse, the rest may be chance."
)


@dataclass(frozen=True, slots=True)
class Cell:
    """The variant of the row against that of the column. `kind` is a key of `SIGNS`."""

    kind: str
    delta: float | None

    @property
    def text(self) -> str:
        """Return "▲ +12.0", "−1.0", or "–" where nothing was compared."""
        return f"{SIGNS[self.kind]} {points(self.delta)}".strip()


@dataclass(frozen=True, slots=True)
class RankingRow:
    """One variant against all; None against itself. `number` is empty where columns have names."""

    number: str
    name: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Clear:
    """A pair in which one is clearly better, in words, and the command that shows its cases."""

    text: str
    command: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """One suite: what the comparisons show, the table (empty for two variants), the clear pairs."""

    ranking: Ranking
    heads: tuple[str, ...]
    rows: tuple[RankingRow, ...]
    clear: tuple[Clear, ...]
    uncompared: tuple[str, ...]


def matrices_of(night: Night) -> tuple[Matrix, ...]:
    """Return a matrix per suite, in the order of the night's suites."""
    return tuple(_matrix(ranking, night) for ranking in rankings_of(night))


def matrices_to_markdown(night: Night) -> str:
    """Write a line per suite, and a table where some pair differs clearly; empty without pairs."""
    matrices = matrices_of(night)
    if not matrices:
        return ""
    lines = [
        f"- {escaped(each.ranking.suite)}: {escaped(each.ranking.sentence)}\n" for each in matrices
    ]
    tables = []
    for matrix in matrices:
        if matrix.clear and matrix.rows:
            heads = " | ".join(map(escaped, matrix.heads))
            rule = "|---|" + "--:|" * len(matrix.heads)
            table = f"\n| {escaped(matrix.ranking.suite)} | {heads} |\n{rule}\n"
            for row in matrix.rows:
                name = f"{row.number} {row.name}".strip()
                cells = " | ".join(cell.text if cell else "" for cell in row.cells)
                table += f"| {escaped(name)} | {cells} |\n"
            tables.append(table)
    legend = [f"\n{LEGEND}\n"] if tables else []
    return "".join(["### With each other\n\n", *lines, *legend, *tables])


def _matrix(ranking: Ranking, night: Night) -> Matrix:
    names = ranking.variants
    many = len(names) > MOST_NAMED
    heads = tuple(str(n) for n in range(1, len(names) + 1)) if many else names
    rows = (
        RankingRow(
            head if many else "", name, tuple(_cell(ranking, name, other) for other in names)
        )
        for head, name in zip(heads, names, strict=True)
    )
    return Matrix(
        ranking=ranking,
        heads=heads,
        rows=tuple(rows) if len(names) >= SMALLEST else (),
        clear=tuple(_clear(row, night) for row in ranking.clear),
        uncompared=tuple(f"{r.first} and {r.second}: {r.why}" for r in ranking.uncompared),
    )


def _cell(ranking: Ranking, name: str, other: str) -> Cell | None:
    found = ranking.between(name, other)
    if name == other:
        return None
    if found is None or found.delta is None:
        return Cell("none", None)
    kind = "open" if not found.leader else "better" if found.leader == name else "worse"
    return Cell(kind, found.delta if found.first == name else -found.delta)


def _clear(row: PairwiseComparison, night: Night) -> Clear:
    """Told from the side of the better one."""
    ahead = row.leader == row.first
    behind = row.second if ahead else row.first
    delta, low, high = row.delta or 0.0, row.low or 0.0, row.high or 0.0
    ends = (low, high) if ahead else (-high, -low)
    better, worse = (row.better, row.worse) if ahead else (row.worse, row.better)
    runs = [rate.run for name in (behind, row.leader) if (rate := night.rate(row.suite, name))]
    sides = " ".join(f"{r}:{n}" for r, n in zip(runs, (behind, row.leader), strict=False))
    return Clear(
        f"{row.leader} against {behind}: {points(abs(delta))} ({points_span(ends)}), "
        f"{plural(better, 'case')} better, {worse:,} worse in {plural(row.pairs, 'pair')}; "
        f"p {probability(row.p_adjusted)} after Holm",
        f"harness compare {sides}",
    )
