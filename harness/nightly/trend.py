"""`trend.html`: a line per suite and variant over the nights, marked where something changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from harness.common import make_folder, percent, whole_file
from harness.nightly.alerts import told_of
from harness.nightly.ranking import LEGEND, SPOKEN, matrices_of
from harness.nightly.values import Night, NightFinding, NightRate, Rival
from harness.reports import (
    changed_in,
    content_policy,
    day,
    line_of,
    page_style,
    points_of,
    scale_of,
    template,
)
from harness.results import Past, Verdict

WIDTH, HEIGHT = 280.0, 56.0
_AGAINST = {
    Rival.BASELINE: "the baseline",
    Rival.BARS: "its own bars",
    Rival.LAST_NIGHT: "the night before",
    Rival.PINNED: "the pinned baseline",
}


@dataclass(frozen=True, slots=True)
class TrendLine:
    """One variant in one suite over the nights."""

    variant: str
    rate: NightRate
    drawing: Markup
    spoken: str
    changes: tuple[str, ...]
    findings: tuple[NightFinding, ...]


@dataclass(frozen=True, slots=True)
class TrendPanel:
    """One suite: a line per variant."""

    suite: str
    category: str
    lines: tuple[TrendLine, ...]


def write_trend(
    path: Path, nights: Sequence[Night], alerts: Sequence[NightFinding], notes: Sequence[str]
) -> Path:
    """Write the page of a series; the last of `nights` is tonight. Nothing in it is fetched."""
    tonight = nights[-1]
    style = page_style()
    text = template("harness.nightly", "trend.html.jinja").render(
        night=tonight,
        nights=nights,
        told=told_of(tonight, alerts),
        panels=tuple(_panels(nights)),
        matrices=matrices_of(tonight),
        legend=LEGEND,
        spoken=SPOKEN,
        against=_AGAINST,
        family=sum(row.p is not None for row in tonight.pairwise),
        alerts=alerts,
        notes=notes,
        style=Markup(style),
        policy=content_policy(style),
    )
    make_folder(path.parent)
    with whole_file(path) as file:
        file.write(text)
    return path


def _panels(nights: Sequence[Night]) -> Iterator[TrendPanel]:
    rates = nights[-1].rates
    every = (row for rate in rates for row in _rows(nights, rate) if row)
    scale = scale_of(end for row in every for end in (row.pass_rate, row.bar))
    for suite in dict.fromkeys(rate.suite for rate in rates):
        mine = [rate for rate in rates if rate.suite == suite]
        lines = tuple(_line(rate, nights, scale) for rate in mine)
        yield TrendPanel(suite, mine[0].category, lines)


def _rows(nights: Sequence[Night], rate: NightRate) -> list[NightRate | None]:
    return [night.rate(rate.suite, rate.variant) for night in nights]


def _line(rate: NightRate, nights: Sequence[Night], scale: tuple[float, float]) -> TrendLine:
    """Return a line whose points lead to their runs; it joins only what may be compared."""
    marks = [_mark(nights, place, rate) for place in range(len(nights))]
    past = [
        Past(row.run, night.started, row.pass_rate, None, row.basis) if row else None
        for night, row in zip(nights, _rows(nights, rate), strict=True)
    ]
    points = [
        replace(point, mark=mark, href=f"../../{each.run}/scorecard.html") if each else point
        for point, mark, each in zip(points_of(past), marks, past, strict=True)
    ]
    days = [day(each.started) for each in past if each]
    changed = changed_in(past)
    # The newest mark of each kind, with its day: the line itself shows them all.
    newest = {mark: day(night.started) for night, mark in zip(nights, marks, strict=True) if mark}
    if changed.startswith("changed"):  # that says more
        newest.pop("changed", None)
    tonight = nights[-1]
    findings = [f for rival in Rival if (f := tonight.finding(rival, rate.suite, rate.variant))]
    return TrendLine(
        variant=rate.variant,
        rate=rate,
        drawing=line_of(
            points, scale, bar=rate.bar, days=(days[0], days[-1]), width=WIDTH, high=HEIGHT
        ),
        spoken=", ".join(percent(point.rate, 0) for point in points),
        changes=(
            *(f"{said} {newest[mark]}" for mark, said in _SAID.items() if mark in newest),
            *([changed] if changed else []),
        ),
        findings=tuple(findings),
    )


_SAID = {"worse": "got worse on", "better": "got better on", "changed": "last changed on"}


def _mark(nights: Sequence[Night], place: int, rate: NightRate) -> str:
    """Say what changed from the night before: beyond chance first, then how it was made."""
    found = nights[place].finding(Rival.LAST_NIGHT, rate.suite, rate.variant)
    if found and found.verdict is Verdict.REGRESSED:
        return "worse"
    if found and found.low is not None and found.low > 0:
        return "better"
    here = nights[place].rate(rate.suite, rate.variant)
    before = (night.rate(rate.suite, rate.variant) for night in reversed(nights[:place]))
    last = next((row for row in before if row is not None), None)
    return "changed" if here and last and here.signature != last.signature else ""
