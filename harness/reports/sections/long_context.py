"""Where in a long text a variant finds what was hidden: pass rates by length and depth."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from harness.reports.words import percent
from harness.results import Outcome, Result

if TYPE_CHECKING:
    from harness.reports.scorecard import Scorecard


# The ids that suites.haystack gives: `needle-1024-d50-s0` lies at half of some 1,024 tokens.
CELL = re.compile(r"-(?P<length>\d+)-d(?P<depth>\d+(?:\.\d+)?)-s\d+$")
_SHADES = 5
# The share of hidden facts that a length must keep to count as usable. Hsieh et al. 2024 (RULER)
# took 85.6 %, what Llama 2 7B finds within 4,000 tokens.
_BAR = 0.85


@dataclass(slots=True)
class _Count:
    passed: int = 0
    n: int = 0

    def add(self, outcome: Outcome) -> None:
        if outcome is not Outcome.SKIPPED:
            self.n += 1
            self.passed += outcome is Outcome.PASS


Cells = defaultdict[tuple[int, float], _Count]


@dataclass
class LongContext:
    """A heat map per suite and variant; every cell says its figure as well."""

    scorecard: Scorecard
    title: str = "Long context"
    _maps: dict[tuple[str, str], Cells] = field(default_factory=dict)

    def see(self, result: Result) -> None:
        """Count a haystack's result; skipped ones do not fit the context and are not counted."""
        found = CELL.search(result.case)
        if found is None:
            return
        cells = self._maps.setdefault((result.suite, result.variant), defaultdict(_Count))
        cells[int(found["length"]), float(found["depth"])].add(result.outcome)

    @property
    def filled(self) -> bool:
        """Whether any haystack was seen."""
        return bool(self._maps)

    def markup(self) -> Markup:
        """One table per suite and variant, in the order of the run."""
        intro = (
            "Share of hidden facts that were found, by the length of the text in tokens (across) "
            "and by how deep in it they lay (down). Effective length: the longest at "
            f"which, as at all shorter ones, at least {percent(_BAR, 0)} were found over all "
            "depths together."
        )
        tables = [
            _table(suite.name, variant.name, self._maps[suite.name, variant.name])
            for suite in self.scorecard.run.suites
            for variant in self.scorecard.variants
            if (suite.name, variant.name) in self._maps
        ]
        return Markup('<p class="legend">{}</p><div class="heats">{}</div>').format(
            intro, Markup("").join(tables)
        )


def _table(suite: str, variant: str, cells: Cells) -> Markup:
    lengths = sorted({length for length, _ in cells})
    depths = sorted({depth for _, depth in cells})
    head = Markup("").join(Markup('<th scope="col">{:,}</th>').format(n) for n in lengths)
    rows = Markup("").join(_row(depth, lengths, cells) for depth in depths)
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{} on {}">'
        '<table class="heat"><caption>{} <span class="quiet">{}; effective length {}</span>'
        "</caption>"
        '<thead><tr><th scope="col"><span class="unseen">depth</span></th>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(variant, suite, variant, suite, _effective(cells), head, rows)


def _effective(cells: Cells) -> str:
    """The longest length up to which enough is found; a length without results ends the search."""
    lengths = sorted({length for length, _ in cells})
    held = 0
    for length in lengths:
        counts = [count for (other, _), count in cells.items() if other == length]
        n, passed = sum(count.n for count in counts), sum(count.passed for count in counts)
        if not n:
            return f"{held:,}, longer ones were skipped" if held else "unknown"
        if passed / n < _BAR:
            return f"{held:,}" if held else f"below {length:,}"
        held = length
    return f"{held:,} or more"


def _row(depth: float, lengths: list[int], cells: Cells) -> Markup:
    body = Markup("").join(_cell(cells.get((length, depth))) for length in lengths)
    return Markup('<tr><th scope="row">{:g} %</th>{}</tr>').format(depth, body)


def _cell(count: _Count | None) -> Markup:
    if count is None or not count.n:
        return Markup("<td>–</td>")
    rate = count.passed / count.n
    shade = min(_SHADES - 1, int(rate * _SHADES))
    text = escape(f"{count.passed}/{count.n}")
    return Markup('<td class="shade{}"><strong>{}</strong> <span>{}</span></td>').format(
        shade, percent(rate, 0), text
    )
