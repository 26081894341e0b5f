"""The line behind today's rate: what is kept of a run, and what later scorecards make of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.reports import build_scorecard, keep_rates, past_rates, publish, sparkline
from harness.store import Store
from tests.reports.samples import info, report


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
    assert card.past(card.rows(suite="languages", variant="forgetful")[0]) == (0.6, 0.6, 0.6)
    assert len(json.loads(publish(card).to_json())["history"][0]["points"]) == 2


def test_one_point_is_no_line() -> None:
    assert sparkline([0.5]) == "" == sparkline([None, 0.5])


@pytest.mark.parametrize(
    ("rates", "heights"),
    [
        ([0.5, 0.5], {13.0}),
        ([1.0, 1.0], {5.0}),
        ([0.0, 0.0], {21.0}),
        ([0.0, 1.0], {21.0, 5.0}),
        ([0.52, 0.50], {11.4, 14.6}),
    ],
)
def test_a_small_change_looks_small(rates: list[float], heights: set[float]) -> None:
    (points,) = re.findall(r'polyline class="line" points="([^"]+)"', sparkline(rates))

    assert {float(point.partition(",")[2]) for point in points.split()} == heights


def test_marks_are_drawn_where_they_belong() -> None:
    drawn = sparkline([0.9, 0.5, 0.9], ["changed", "worse", "better"])

    assert [drawn.count(f'class="{word}"') for word in ("changed", "worse", "better")] == [1, 1, 1]
