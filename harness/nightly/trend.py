"""`trend.html`: a line per suite and variant over the nights, marked where something changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.common import moment, percent, whole_file
from harness.nightly.ranking import LEGEND, SPOKEN, matrices_of
from harness.nightly.values import Night, NightFinding, NightRate, Rival
from harness.reports import content_policy, page_style, sparkline, template
from harness.results import Verdict

WIDTH, HEIGHT = 260.0, 44.0
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
    for suite in dict.fromkeys(rate.suite for rate in rates):
        mine = [rate for rate in rates if rate.suite == suite]
        lines = tuple(_line(rate, nights) for rate in mine)
        yield TrendPanel(suite, mine[0].category, lines)


def _line(rate: NightRate, nights: Sequence[Night]) -> TrendLine:
    rows = [night.rate(rate.suite, rate.variant) for night in nights]
    marks = [_mark(nights, place, rate) for place in range(len(nights))]
    spoken = ", ".join(percent(row.pass_rate if row else None, 0) for row in rows)
    tonight = nights[-1]
    findings = [f for rival in Rival if (f := tonight.finding(rival, rate.suite, rate.variant))]
    return TrendLine(
        variant=rate.variant,
        rate=rate,
        drawing=sparkline(
            [row.pass_rate if row else None for row in rows], marks, width=WIDTH, high=HEIGHT
        ),
        spoken=spoken,
        changes=_last_changes(nights, marks),
        findings=tuple(findings),
    )


def _last_changes(nights: Sequence[Night], marks: Sequence[str]) -> tuple[str, ...]:
    """Return the newest mark of each kind, with its day; the line itself shows them all."""
    newest = {mark: night for night, mark in zip(nights, marks, strict=True) if mark}
    days = {mark: moment(night.started).partition(",")[0] for mark, night in newest.items()}
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
