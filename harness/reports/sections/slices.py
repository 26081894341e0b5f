"""The cases of a suite by tag: where a loss sits, and how much so few cases can tell."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from markupsafe import Markup

from harness.common import percent, points, points_span, probability
from harness.reports.sections.base import SHOWN, Cell, GateSection, legend, table
from harness.reports.words import label, slice_sight
from harness.results import RunInfo, Slice, SuiteResult


class SliceSection(GateSection[SuiteResult]):
    """A table of each suite and variant whose cases have tags: a row for each tag."""

    name = "slices"
    title = "Slices"

    @classmethod
    def markup(cls, rows: Sequence[SuiteResult], run: RunInfo) -> Markup:
        """Return an introduction, and a table for each suite and variant; long ones fold."""
        intro = (
            "Every tag is a slice. Exploratory ones describe: among many tags some always look "
            "bad, so no verdict hangs on them. A slice that its suite declares (gate: slices) is "
            "tested like a suite, after Holm over all of them. Marked is where losses gather: more "
            "of the suite’s losses than chance puts into so many cases, at 5 % after Holm over its "
            "tags."
        )
        parts = [legend(intro)]
        for row in rows:
            compared = any(each.shift for each in row.slices)
            head = ["Tag", "Passed"]
            if compared:
                head += ["Baseline → variant", "Change", "Worse", "Better", "Can see", "Standing"]
            lines = [_cells(each, row, compared=compared) for each in row.slices]
            first = max(SHOWN, sum(each.declared or each.drives for each in row.slices))
            name = f"{row.suite}, {row.variant}"
            parts.append(Markup("<h3>{}</h3>").format(name))
            parts.append(table(f"Slices of {name}", head, lines[:first]))
            if rest := lines[first:]:
                parts.append(
                    Markup(
                        '<details class="more"><summary>{} more tags<span class="unseen"> of {}'
                        "</span></summary>{}</details>"
                    ).format(len(rest), name, table(f"More slices of {name}", head, rest))
                )
            if row.tags > len(row.slices):
                left = row.tags - len(row.slices)
                parts.append(legend(f"{left:,} rarer tags are left out."))
        return Markup("").join(parts)


def _cells(each: Slice, row: SuiteResult, *, compared: bool) -> list[Cell]:
    """Return a row of the table; the tag leads to its cases."""
    place = "/".join(quote(part, safe="") for part in (row.suite, each.tag, row.variant))
    cells: list[Cell] = [
        Markup('<a href="#slice/{}">{}</a>').format(place, each.tag),
        Markup('<strong>{}</strong> <span class="quiet">{}/{}</span>').format(
            percent(each.rate.known), each.rate.passed, each.rate.n
        ),
    ]
    if not compared:
        return cells
    if each.shift is None:
        return [*cells, "–", "–", "–", "–", "no pair to compare", label(each.verdict)]
    standing = Markup('<span class="quiet">exploratory</span>')
    if each.verdict is not None and each.comparison is not None:
        standing = Markup('<span class="word {}">{}</span> <span class="quiet">p {}</span>').format(
            each.verdict.value, label(each.verdict), probability(each.comparison.p_adjusted)
        )
    elif each.declared:
        standing = Markup('<span class="quiet">declared</span>')
    if each.drives:
        standing += Markup(' <strong class="gathers">losses gather here</strong>')
    return [
        *cells,
        str(each.shift),
        Markup('<strong>{}</strong> <span class="quiet">{}</span>').format(
            points(each.delta), points_span(each.ci)
        ),
        f"{len(each.worse):,}",
        f"{len(each.better):,}",
        slice_sight(each),
        standing,
    ]
