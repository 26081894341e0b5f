"""The candidates of a night against each other, as a table per suite, for HTML and Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.gate import PairwiseComparison
from harness.nightly.ranking import Ranking, rankings_of
from harness.nightly.values import Night
from harness.reports.markdown import escaped
from harness.reports.words import plural, points, points_span, probability

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
        """ "▲ +12.0", "−1.0", "–" where nothing was compared."""
        return f"{SIGNS[self.kind]} {points(self.delta)}".strip()


@dataclass(frozen=True, slots=True)
class Row:
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
    rows: tuple[Row, ...]
    clear: tuple[Clear, ...]
    uncompared: tuple[str, ...]


def matrices_of(night: Night) -> tuple[Matrix, ...]:
    """A matrix per suite, in the order of the night's suites."""
    return tuple(_matrix(ranking, night) for ranking in rankings_of(night))


def matrices_to_markdown(night: Night) -> str:
    """A line per suite, and a table where some pair differs clearly; empty without pairs."""
    matrices = matrices_of(night)
    if not matrices:
        return ""
    lines = [
        f"- {escaped(each.ranking.suite)}: {escaped(each.ranking.sentence)}\n" for each in matrices
    ]
    tables = ["\n" + _table(each) for each in matrices if each.clear and each.rows]
    legend = [f"\n{LEGEND}\n"] if tables else []
    return "".join(["### With each other\n\n", *lines, *legend, *tables])


def _matrix(ranking: Ranking, night: Night) -> Matrix:
    names = ranking.variants
    many = len(names) > MOST_NAMED
    heads = tuple(str(n) for n in range(1, len(names) + 1)) if many else names
    rows = (
        Row(head if many else "", name, tuple(_cell(ranking, name, other) for other in names))
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


def _table(matrix: Matrix) -> str:
    heads = " | ".join(map(escaped, matrix.heads))
    rule = "|---|" + "--:|" * len(matrix.heads)
    return f"| {escaped(matrix.ranking.suite)} | {heads} |\n{rule}\n" + "".join(_rows(matrix))


def _rows(matrix: Matrix) -> Iterator[str]:
    for row in matrix.rows:
        name = f"{row.number} {row.name}".strip()
        cells = " | ".join(cell.text if cell else "" for cell in row.cells)
        yield f"| {escaped(name)} | {cells} |\n"
