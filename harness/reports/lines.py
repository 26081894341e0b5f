"""Rates over time as a line: what may be compared is joined, and what changed is marked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from harness.common import moment, percent
from harness.results import UNKNOWN, Past

EDGE, AXIS = 5.0, 38.0  # room for a dot, and for the figures of the axis
DAYS = 12.0  # for the days below
STEP = 0.05  # the ends of an axis are multiples


@dataclass(frozen=True, slots=True)
class LinePoint:
    """One rate of a line; None where there is none.

    `said` names run, day and rate. `joined`: it may be compared with the rate before. `mark` is
    "worse", "better" or "changed", or empty. `href` leads to the run.
    """

    rate: float | None
    said: str = ""
    joined: bool = True
    mark: str = ""
    href: str = ""


def scale_of(rates: Iterable[float | None]) -> tuple[float, float]:
    """Return the ends of one axis for all of these rates, at least ten points apart."""
    known = [rate for rate in rates if rate is not None]
    low, top = min(known, default=0.0), max(known, default=1.0)
    spare = max(0.0, 2 * STEP - (top - low)) / 2
    low = math.floor((low - spare) / STEP + 1e-9) * STEP
    top = math.ceil((top + spare) / STEP - 1e-9) * STEP
    shift = max(0.0, -low) - max(0.0, top - 1.0)
    return max(0.0, low + shift), min(1.0, top + shift)


def line_of(
    points: Sequence[LinePoint],
    scale: tuple[float, float],
    *,
    bar: float | None = None,
    days: tuple[str, str] = ("", ""),
    width: float = 180.0,
    high: float = 40.0,
) -> Markup:
    """Draw rates over time, the newest at the right with a dot; empty for fewer than two.

    `scale` holds the ends of the axis, `bar` is what the suite demands, `days` stand below the
    first and the last point. A line joins only what may be compared. What it says stands beside it
    as text, so it is hidden from screen readers.
    """
    known = [(place, point) for place, point in enumerate(points) if point.rate is not None]
    if len(known) < 2:
        return Markup("")
    low, top = scale
    step = (width - AXIS - 2 * EDGE) / max(len(points) - 1, 1)

    def x(place: int) -> float:
        return round(AXIS + EDGE + place * step, 1)

    def y(rate: float) -> float:
        return round(EDGE + (top - rate) / (top - low) * (high - 2 * EDGE), 1)

    parts = [
        Markup('<text class="tick" x="{}" y="{}">{}</text>').format(
            AXIS - 3, y(end) + 3.5, percent(end, 0)
        )
        + Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            AXIS, width, y(end), y(end)
        )
        for end in (top, low)
    ]
    if bar is not None and low <= bar <= top:
        place = y(bar)
        parts.append(
            Markup('<line class="bar" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
                AXIS, width, place, place
            )
        )
    runs: list[list[str]] = []
    for place, point in known:
        if not runs or not point.joined:
            runs.append([])
        runs[-1].append(f"{x(place)},{y(point.rate or 0.0)}")
    parts += [
        Markup('<polyline class="line" points="{}"/>').format(" ".join(run))
        for run in runs
        if len(run) > 1
    ]
    for place, point in known:
        at = x(place), y(point.rate or 0.0)
        kind, size = ("dot", 3) if place == known[-1][0] else ("point", 1.8)
        dot = Markup('<circle class="{}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
            kind, *at, size, point.said
        )
        # A wider ring that nobody sees takes the pointer.
        ring = Markup('<circle class="ring" cx="{}" cy="{}" r="7"><title>{}</title></circle>')
        shown = _mark(point.mark, *at) + dot + ring.format(*at, point.said)
        if point.href:
            shown = Markup('<a href="{}" tabindex="-1">{}</a>').format(point.href, shown)
        parts.append(shown)
    for kind, place, text in (("tick first", AXIS, days[0]), ("tick", width, days[1])):
        line = Markup('<text class="{}" x="{}" y="{}">{}</text>')
        parts.append(line.format(kind, place, high + 9, text) if text else Markup(""))
    total = high + (DAYS if any(days) else 0.0)
    size_ = f'viewBox="0 0 {width:g} {total:g}" width="{width:g}" height="{total:g}"'
    head = Markup(f'<svg class="spark" {size_} aria-hidden="true" focusable="false">')
    return head + Markup("").join(parts) + Markup("</svg>")


def _mark(mark: str, x: float, y: float) -> Markup:
    if mark in ("worse", "better"):
        tip, foot = (y + 8, y + 2) if mark == "worse" else (y - 8, y - 2)
        corners = f"{x - 4},{foot} {x + 4},{foot} {x},{tip}"
        return Markup('<polygon class="{}" points="{}"/>').format(mark, corners)
    if not mark:
        return Markup("")
    ends = (x, x, y - 6, y + 6)
    return Markup('<line class="changed" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(*ends)


def day(started: str) -> str:
    """Return the day of a time: "21 Nov 2026"."""
    return moment(started).partition(",")[0]


def points_of(past: Sequence[Past | None]) -> tuple[LinePoint, ...]:
    """Return the points of a line, oldest first: a change of what was asked breaks it."""
    points: list[LinePoint] = []
    before: Past | None = None
    for each in past:
        if each is None:
            points.append(LinePoint(None))
            continue
        changes = each.basis.changes(before.basis) if before else ()
        points.append(
            LinePoint(
                each.pass_rate,
                f"run {each.run}, {day(each.started)}: {percent(each.pass_rate)}"
                + (f"; changed: {', '.join(changes)}" if changes else ""),
                joined=before is None or each.basis.comparable(before.basis),
                mark="changed" if changes else "",
            )
        )
        before = each
    return tuple(points)


def changed_in(past: Sequence[Past | None]) -> str:
    """Say what changed and when last: "changed: cases or checks 12 Nov, model or adapter 14 Nov".

    Empty where nothing did.
    """
    newest: dict[str, str] = {}
    for before, each in pairwise(each for each in past if each is not None):
        newest.update(dict.fromkeys(each.basis.changes(before.basis), day(each.started)))
    known = [f"{what} {when[:-5]}" for what, when in newest.items() if what != UNKNOWN]
    parts = [f"changed: {', '.join(known)}"] if known else []
    parts += ["earlier rates do not say what they were made under"] if UNKNOWN in newest else []
    return "; ".join(parts)
