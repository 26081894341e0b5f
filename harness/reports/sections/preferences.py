"""A candidate's answers against the baseline's, as a judge preferred them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.common import first_of, percent, span
from harness.reports.sections.base import SHOWN, Cell, GateSection, legend, share, table
from harness.reports.words import told_of
from harness.results import Preference, RunInfo, SuiteResult


class PreferenceSection(GateSection[SuiteResult]):
    """A row for each suite and candidate whose answers were compared."""

    name = "prefer"
    title = "Answers against the baseline’s"

    @classmethod
    def markup(cls, rows: Sequence[SuiteResult], run: RunInfo) -> Markup:
        """Return an introduction with the rubrics, and a table."""
        intro = (
            "A judge saw both answers twice, in both orders. Won and lost are pairs on which the "
            "orders agree; where they disagree (flips) the pair is a tie, as are two identical "
            "answers. Of the flips, first slot is the share that named the answer shown first both "
            "times: far from a half, the judge leans to a place."
        )
        cells: list[Sequence[Cell]] = []
        for row in rows:
            seen = row.preference
            if seen is None:
                continue
            preferred = Markup('<strong>{}</strong> <span class="quiet">{}</span>').format(
                percent(seen.share), span(seen.ci)
            )
            asked = seen.pairs - seen.identical
            flips = "–" if seen.flip_rate is None else share(seen.flip_rate, asked)
            first = Markup('<span class="line">{}</span>').format(percent(seen.first_slot_share))
            counts = (str(seen.wins), str(seen.ties), str(seen.losses))
            lost = first_of(seen.lost, SHOWN) or "–"
            broken = first_of(seen.failed, SHOWN) or "–"
            cells.append((row.suite, row.variant, *counts, preferred, flips, first, lost, broken))
        head = ("Suite", "Variant", "Won", "Tied", "Lost", "Preferred", "Flips", "First slot")
        rubrics = Markup("").join(
            Markup('<p class="legend">{}: <q>{}</q></p>').format(suite.name, suite.prefer)
            for suite in run.suites
            if suite.prefer
        )
        grid = table("Answers compared", (*head, "Lost in", "Not judged"), cells)
        said = Markup("").join(_said(row, row.preference) for row in rows if row.preference)
        return legend(intro) + rubrics + grid + said


def _said(row: SuiteResult, seen: Preference) -> Markup:
    """Return what the judge said of some pairs; the cases have it beside the answers."""
    lines = []
    for pair in seen.examples:
        place = "/".join((row.suite, pair.case, row.variant))
        line = '<li><a href="#case/{}">{}</a> <span class="quiet">{}:</span> {}</li>'
        lines.append(Markup(line).format(place, pair.case, told_of(pair), pair.why))
    if not lines:
        return Markup("")
    head = f"What the judge said: {row.suite}, {row.variant}"
    return Markup(
        '<details class="why"><summary>{}</summary>'
        '<p class="quiet">A is the answer of {}, B that of {}.</p><ul>{}</ul></details>'
    ).format(head, row.variant, seen.baseline, Markup("").join(lines))
