"""The cases of a suite by tag: where a loss sits, and how much so few cases can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from markupsafe import Markup

from harness.common import percent, plural, points, points_span, probability
from harness.reports.sections.base import SHOWN, Cell, GateSection, table
from harness.reports.terms import explained, term
from harness.reports.words import label, slice_sight
from harness.results import RunInfo, Slice, SuiteResult

INTRO = (
    "Every tag is a slice of its suite. Tags are exploratory: among many some always look bad, so "
    "no verdict hangs on them. One that its suite declares (gate: slices) is tested like a suite, "
    "after Holm over all of them. Losses gather where more of a suite’s losses lie than chance "
    "puts into so many cases, at 5 % over all of its tags. A tag that every case has is the suite "
    "itself, and left out here."
)


class SliceSection(GateSection[SuiteResult]):
    """A table for each suite with tags: a row for each tag, a column for each variant."""

    name = "slices"
    title = "Slices"

    @classmethod
    def markup(cls, rows: Sequence[SuiteResult], run: RunInfo) -> Markup:
        """Return an introduction, and a table for each suite; tags without a loss are folded."""
        parts = [Markup('<p class="legend">{}</p>').format(explained(INTRO))]
        for suite in dict.fromkeys(row.suite for row in rows):
            mine = [row for row in rows if row.suite == suite]
            by_tag: dict[str, dict[str, Slice]] = {}
            for row in mine:
                whole = row.rate.n + row.rate.skipped
                for each in row.slices:
                    if each.declared or each.rate.n + each.rate.skipped < whole:
                        by_tag.setdefault(each.tag, {})[row.variant] = each
            tags = sorted(by_tag, key=lambda tag: min(map(_rank, by_tag[tag].values())))
            notable = [tag for tag in tags if min(map(_rank, by_tag[tag].values()))[0] < QUIET]
            variants = [row.variant for row in mine]
            left = max(row.tags for row in mine) - max(len(row.slices) for row in mine)
            more = f" {left:,} rarer tags are left out." if left else ""
            first = tags[: max(SHOWN, len(notable))] if notable else []
            if first:
                head = Markup("<h3>{}</h3>").format(suite)
                parts += [head, _table(suite, {tag: by_tag[tag] for tag in first}, variants)]
            if rest := tags[len(first) :]:
                said = f"{plural(len(rest), 'more tag')}" if first else f"{suite}: "
                said += "" if first else f"{plural(len(rest), 'tag')}, in which no case got worse"
                parts.append(
                    Markup('<details class="more"><summary>{}</summary>{}</details>').format(
                        said, _table(suite, {tag: by_tag[tag] for tag in rest}, variants)
                    )
                )
            if more:
                parts.append(Markup('<p class="quiet">{}</p>').format(more.strip()))
        return Markup("").join(parts)


QUIET = 2  # of `_rank`: no test, and no case that got worse


def _rank(each: Slice) -> tuple[int, int]:
    """Say how early a slice stands: declared ones and gathered losses, then what lost most."""
    notable = 0 if each.declared or each.drives else 1 if each.worse else QUIET
    return notable, len(each.better) - len(each.worse)


def _table(suite: str, by_tag: Mapping[str, Mapping[str, Slice]], variants: list[str]) -> Markup:
    rows: list[list[Cell]] = []
    for tag, found in by_tag.items():
        some = next(iter(found.values()))
        count = plural(some.rate.n, "case")
        rows.append(
            [
                Markup('{} <span class="quiet">{}</span><span class="line quiet">{}</span>').format(
                    tag, count, slice_sight(some) if some.shift else ""
                ),
                *(_cell(found[name], suite, name) if name in found else "–" for name in variants),
            ]
        )
    head: list[Cell] = [Markup("Tag, and what it {}").format(term("detects", "can see")), *variants]
    return table(f"Slices of {suite}", head, rows)


def _cell(each: Slice, suite: str, variant: str) -> Cell:
    """Return what became of a slice in one variant; it leads to the cases."""
    place = "/".join(quote(part, safe="") for part in (suite, each.tag, variant))
    said = str(each.shift) if each.shift else f"{each.rate.passed} of {each.rate.n}"
    figure = points(each.delta) if each.shift else percent(each.rate.known)
    lines = [
        Markup('<strong>{}</strong> <a href="#slice/{}">{}</a>').format(figure, place, said),
    ]
    if each.shift:
        lines.append(
            Markup('<span class="quiet">{}; {:,} worse, {:,} better</span>').format(
                points_span(each.ci), len(each.worse), len(each.better)
            )
        )
    if each.verdict is not None:
        p = f"p {probability(each.comparison.p_adjusted)}" if each.comparison else "not compared"
        standing = (
            '<span class="{}"><span class="word">{}</span></span> <span class="quiet">{}</span>'
        )
        lines.append(Markup(standing).format(each.verdict.value, label(each.verdict), p))
    if each.drives:
        free = "" if each.declared else ", exploratory"
        lines.append(Markup('<strong class="gathers">losses gather here{}</strong>').format(free))
    return Markup("").join(Markup('<span class="line">{}</span>').format(line) for line in lines)
