"""`trend.html`: a line per suite and variant over the nights, marked where something changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.common import percent, whole_file
from harness.nightly.alerts import told_of
from harness.nightly.ranking import LEGEND, SPOKEN, matrices_of
from harness.nightly.values import Night, NightFinding, NightRate, Rival
from harness.reports import (
    LinePoint,
    content_policy,
    day,
    line_of,
    page_style,
    said_of,
    scale_of,
    template,
)
from harness.results import UNKNOWN, Verdict

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
    path.parent.mkdir(parents=True, exist_ok=True)
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
    points: list[LinePoint] = []
    newest: dict[str, str] = {}
    last: NightRate | None = None
    for night, row, mark in zip(nights, _rows(nights, rate), marks, strict=True):
        if row is None:
            points.append(LinePoint(None))
            continue
        changes = row.basis.changes(last.basis) if last else ()
        newest.update(dict.fromkeys(changes, day(night.started)))
        said = f"run {row.run}, {day(night.started)}: {percent(row.pass_rate)}"
        points.append(
            LinePoint(
                row.pass_rate,
                said + (f"; changed: {', '.join(changes)}" if changes else ""),
                joined=last is None or row.basis.comparable(last.basis),
                mark=mark,
                href=f"../../{row.run}/scorecard.html",
            )
        )
        last = row
    tonight = nights[-1]
    findings = [f for rival in Rival if (f := tonight.finding(rival, rate.suite, rate.variant))]
    known = [night for night, point in zip(nights, points, strict=True) if point.rate is not None]
    days = day(known[0].started), day(known[-1].started)
    return TrendLine(
        variant=rate.variant,
        rate=rate,
        drawing=line_of(points, scale, bar=rate.bar, days=days, width=WIDTH, high=HEIGHT),
        spoken=", ".join(percent(point.rate, 0) for point in points),
        changes=tuple(filter(None, (*_last_changes(nights, marks, newest), said_of(newest)))),
        findings=tuple(findings),
    )


def _last_changes(
    nights: Sequence[Night], marks: Sequence[str], named: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the newest mark of each kind, with its day; the line itself shows them all.

    What is `named` says more than that something changed.
    """
    newest = {mark: night for night, mark in zip(nights, marks, strict=True) if mark}
    if set(named) - {UNKNOWN}:
        newest.pop("changed", None)
    days = {mark: day(night.started) for mark, night in newest.items()}
    return tuple(f"{said} {days[mark]}" for mark, said in _SAID.items() if mark in days)


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
