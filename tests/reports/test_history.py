"""The line behind today's rate: what is kept of a run, and what later scorecards make of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.common import JsonValue
from harness.reports import (
    LinePoint,
    build_scorecard,
    keep_rates,
    line_of,
    past_rates,
    publish,
    scale_of,
)
from harness.reports.lines import changed_in, points_of
from harness.results import NOT_NOTED, UNKNOWN, Basis, GateReport, Past
from harness.store import Store, rates_key, write_entry
from tests.reports.samples import info, rate, report


def kept(store: Store, *ids: str, backend: str = "hf") -> None:
    for run_id in ids:
        keep_rates(store, build_scorecard(info(id=run_id, backend=backend), report()))


def test_earlier_runs_are_a_line_oldest_first(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        kept(store, "one", "two", "three")
        trends = {(t.suite, t.variant): t for t in past_rates(store, "three", "hf")}

    points = trends["languages", "forgetful"].points
    assert [(p.run, p.pass_rate, p.verdict) for p in points] == [
        ("one", 0.6, "regressed"),
        ("two", 0.6, "regressed"),
    ]


def test_other_engines_and_later_runs_are_not_in_the_line(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        kept(store, "one")
        kept(store, "two", backend="replay")
        kept(store, "three", "four")
        trends = past_rates(store, "three", "hf")

    assert {tuple(p.run for p in trend.points) for trend in trends} == {("one",)}


def test_the_scorecard_has_the_lines_of_its_own_rows(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        kept(store, "one", "two")
        history = past_rates(store, "three", "hf")
    card = build_scorecard(info(id="three"), report(), history=history)

    assert len(card.history) == 6
    trend = card.trend(card.rows(suite="languages", variant="forgetful")[0])
    assert trend is not None
    assert [point.pass_rate for point in trend.points] == [0.6, 0.6]
    assert len(json.loads(publish(card).to_json())["history"][0]["points"]) == 2


def test_a_rate_keeps_what_it_was_made_under(tmp_path: Path) -> None:
    """The model counts, and so does what was asked and how; an entry without it is not known."""
    asked = Basis("cases", "engine", "checks")
    rows = tuple(replace(row, basis=asked) for row in report().suites)
    with Store(tmp_path / "db") as store:
        for run_id, weights in (("one", "w1"), ("two", "w2")):
            variants = tuple(replace(each, weights=weights) for each in info().variants)
            run = info(id=run_id, variants=variants)
            keep_rates(store, build_scorecard(run, replace(report(), suites=rows)))
        write_entry(store, rates_key("old"), old_entry())
        trends = {(t.suite, t.variant): t.points for t in past_rates(store, "later", "hf")}

    one, two, old = trends["languages", "forgetful"]
    assert (one.basis.asked, one.basis.checks) == ("cases", "checks")
    assert two.basis.changes(one.basis) == ("model or adapter",)
    assert two.basis.comparable(one.basis)
    assert old.basis == NOT_NOTED
    assert not old.basis.comparable(two.basis)


def old_entry() -> JsonValue:
    """What an earlier version kept of a run."""
    row: JsonValue = {
        "suite": "languages",
        "variant": "forgetful",
        "pass_rate": 0.5,
        "verdict": "pass",
    }
    return {"started": "2026-11-20T10:00:00Z", "backend": "hf", "verdict": None, "rows": [row]}


def test_a_suite_that_broke_whole_is_no_point(tmp_path: Path) -> None:
    broken = replace(report().suites[0], rate=rate(0, 60, 0.0, 0.06, errors=60))
    with Store(tmp_path / "db") as store:
        keep_rates(store, build_scorecard(info(id="one"), GateReport((broken,), None)))
        assert past_rates(store, "two", "hf") == ()


SAME = Basis("a", "e", "c", "m")
BASES = [
    (SAME, (), True),
    (replace(SAME, model="other"), ("model or adapter",), True),
    (replace(SAME, asked="other"), ("cases or checks",), False),
    (replace(SAME, environment="other"), ("engine, sampling or judge",), False),
    (replace(SAME, checks="2", model="n"), ("version of a check", "model or adapter"), False),
    (NOT_NOTED, (UNKNOWN,), False),
]


@pytest.mark.parametrize(("basis", "changes", "comparable"), BASES)
def test_what_changed_is_said_and_what_was_asked_breaks_a_line(
    basis: Basis, changes: tuple[str, ...], comparable: bool
) -> None:
    past = [
        Past(run, f"2026-11-2{n}T10:00:00Z", 0.5, None, each)
        for n, (run, each) in enumerate((("one", SAME), ("two", SAME), ("three", basis)))
    ]

    points = points_of(past)

    assert [point.joined for point in points] == [True, True, comparable]
    assert [point.mark for point in points] == ["", "", "changed" if changes else ""]
    assert all(change in points[2].said for change in changes)
    assert points[0].said == "run one, 20 Nov 2026: 50.0 %"
    assert changed_in(past) == (
        "earlier rates do not say what they were made under"
        if changes == (UNKNOWN,)
        else f"changed: {' 22 Nov, '.join(changes)} 22 Nov"
        if changes
        else ""
    )
    drawn = line_of(points, scale_of([0.5]))
    (line,) = re.findall(r'class="line" points="([^"]+)"', drawn)
    assert len(line.split()) == 2 + comparable
    assert drawn.count('class="changed"') == bool(changes)


def test_one_point_is_no_line() -> None:
    assert line_of([LinePoint(0.5)], (0.0, 1.0)) == ""
    assert line_of([LinePoint(None), LinePoint(0.5)], (0.0, 1.0)) == ""


@pytest.mark.parametrize(
    ("rates", "scale"),
    [
        ([0.5], (0.45, 0.55)),
        ([1.0, 1.0], (0.9, 1.0)),
        ([0.0, 0.0], (0.0, 0.1)),
        ([0.0, 1.0], (0.0, 1.0)),
        ([0.62, 0.81, None], (0.6, 0.85)),
        ([], (0.0, 1.0)),
    ],
)
def test_a_scale_has_round_ends_at_least_ten_points_apart(
    rates: list[float | None], scale: tuple[float, float]
) -> None:
    assert list(scale_of(rates)) == pytest.approx(list(scale))


def test_a_line_has_an_axis_and_the_bar_on_it() -> None:
    points = [LinePoint(0.9, "run <one>", href="a/b"), LinePoint(0.5, mark="worse")]
    drawn = line_of(points, (0.4, 1.0), bar=0.8)

    assert re.findall(r'class="tick"[^>]*>([^<]+)<', drawn) == ["100 %", "40 %"]
    assert drawn.count('class="bar"') == 1
    assert 'class="bar"' not in line_of(points, (0.4, 0.7), bar=0.8)
    assert "<title>run &lt;one&gt;</title>" in drawn and '<a href="a/b"' in drawn
    assert drawn.count('<polygon class="worse"') == 1
    high = [float(y) for y in re.findall(r'class="(?:dot|point)"[^>]* cy="([^"]+)"', drawn)]
    assert high[0] < high[1]
