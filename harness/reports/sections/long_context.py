"""Where in a long text a variant finds what was hidden: pass rates by length and depth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from harness.common import percent
from harness.reports.sections.base import Figures, Frozen, Key, Section, heat_cell, key_of
from harness.results import HaystackCell, Outcome, Result, RunInfo

# The share of hidden facts that a length must keep to count as usable. Hsieh et al. 2024 (RULER)
# took 85.6 %, what Llama 2 7B finds within 4,000 tokens.
_BAR = 0.85


class LongContextCell(Frozen):
    """Haystacks of `length` tokens with the fact at `depth`, a share: `passed` of `n` found it.

    Those that do not fit into the context are not in `n`.
    """

    length: int
    depth: float
    passed: int
    n: int


class LongContextRow(Figures):
    """The cells of one suite and variant, by length and depth.

    `effective_length` is the longest one at which, as at all shorter ones, at least 85 % were
    found over all depths together; null where there is none. `effective` says it in words, with
    what is known of longer ones.
    """

    cells: tuple[LongContextCell, ...]
    effective_length: int | None
    effective: str


class LongContextSection(Section[LongContextRow]):
    """A heat map per suite and variant; every cell says its figure as well."""

    name = "long_context"
    figures = LongContextRow
    title = "Long context"

    def __init__(self) -> None:
        self._counts: dict[Key, defaultdict[HaystackCell, list[int]]] = {}

    def see(self, result: Result) -> None:
        """Count a haystack's result; skipped ones do not fit the context and are not counted."""
        if result.cell is not None:
            cells = self._counts.setdefault(key_of(result), defaultdict(lambda: [0, 0]))
            cell = cells[result.cell]
            if result.outcome is not Outcome.SKIPPED:
                cell[0] += result.outcome is Outcome.PASS
                cell[1] += 1

    def rows(self) -> Iterator[LongContextRow]:
        """Yield a row for each suite and variant with haystacks."""
        for (suite, variant), counts in self._counts.items():
            cells = tuple(
                LongContextCell(length=at.length, depth=at.depth, passed=passed, n=n)
                for at, (passed, n) in sorted(
                    counts.items(), key=lambda item: (item[0].length, item[0].depth)
                )
            )
            held, said = effective_length(cells)
            yield LongContextRow(
                suite=suite, variant=variant, cells=cells, effective_length=held, effective=said
            )

    @classmethod
    def markup(cls, rows: Sequence[LongContextRow], run: RunInfo) -> Markup:
        """Return one table per suite and variant, in the order of the run."""
        intro = (
            "Share of hidden facts that were found, by the length of the text in tokens (across) "
            "and by how deep in it they lay (down). Effective length: the longest at "
            f"which, as at all shorter ones, at least {percent(_BAR, 0)} were found over all "
            "depths together."
        )
        by_key = {(row.suite, row.variant): row for row in rows}
        tables = [
            _heat_map(by_key[suite.name, variant.name])
            for suite in run.suites
            for variant in run.variants
            if (suite.name, variant.name) in by_key
        ]
        return Markup('<p class="legend">{}</p><div class="heats">{}</div>').format(
            intro, Markup("").join(tables)
        )


def effective_length(cells: Sequence[LongContextCell]) -> tuple[int | None, str]:
    """Return the longest length up to which enough is found, and what to say of it.

    A length without results ends the search.
    """
    held = None
    for length in sorted({cell.length for cell in cells}):
        n = sum(cell.n for cell in cells if cell.length == length)
        passed = sum(cell.passed for cell in cells if cell.length == length)
        if not n:
            return held, f"{held:,}, longer ones were skipped" if held else "unknown"
        if passed / n < _BAR:
            return held, f"{held:,}" if held else f"below {length:,}"
        held = length
    return held, f"{held:,} or more"


def _heat_map(row: LongContextRow) -> Markup:
    lengths = sorted({cell.length for cell in row.cells})
    found = {(cell.length, cell.depth): cell for cell in row.cells}
    head = Markup("").join(Markup('<th scope="col">{:,}</th>').format(n) for n in lengths)
    lines = []
    for depth in sorted({cell.depth for cell in row.cells}):
        at = [found.get((length, depth)) for length in lengths]
        cells = Markup("").join(heat_cell(c.passed, c.n) if c else heat_cell(0, 0) for c in at)
        name = f"{round(depth * 100, 1):g} %"
        lines.append(Markup('<tr><th scope="row">{}</th>{}</tr>').format(name, cells))
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{} on {}">'
        '<table class="heat"><caption>{} <span class="quiet">{}; effective length {}</span>'
        "</caption>"
        '<thead><tr><th scope="col"><span class="unseen">depth</span></th>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(
        row.variant, row.suite, row.variant, row.suite, row.effective, head, Markup("").join(lines)
    )
