"""The gate on models whose truth is known: the promises of docs/statistics.md, with fewer runs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench import gate_simulation as simulation
from bench.statistics_tables import TABLES
from harness.gate import decide
from harness.results import Verdict
from tests.gate.hand_made import ROLES, demand, table

RUNS = 4_000
PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"


@pytest.mark.parametrize("n", simulation.SIZES)
@pytest.mark.parametrize("flip", simulation.FLIPS)
def test_equal_models_are_called_regressed_in_at_most_five_percent_of_runs(
    n: int, flip: float
) -> None:
    noise = 3 * (0.05 * 0.95 / RUNS) ** 0.5
    assert simulation.false_alarms(n, flip, RUNS) <= 0.05 + noise


def test_a_loss_of_five_points_is_found() -> None:
    found = simulation.power(300, 0.02, RUNS)

    assert found.before_holm >= 0.90
    assert found.after_holm >= 0.80


@pytest.mark.parametrize("flip", simulation.FLIPS)
def test_the_smallest_drop_is_found_in_four_of_five_runs(flip: float) -> None:
    _, found = simulation.power_at_smallest_drop(300, flip, RUNS)

    assert 0.77 <= found <= 0.89


@pytest.mark.parametrize("kind", ["single", "repeated", "clusters"])
def test_other_items_keep_the_level_and_the_intervals(kind: simulation.Kind) -> None:
    found = simulation.behaviour(kind, 100, 300)

    assert found.false_alarm <= 0.09  # 0.05 and three standard errors of 300 runs
    assert found.covers >= 0.91
    assert found.bound_holds >= 0.91


@pytest.mark.parametrize("flip", simulation.FLIPS)
def test_a_loss_as_large_as_the_margin_rarely_passes_non_inferiority(flip: float) -> None:
    assert simulation.non_inferiority(300, flip, 0.03, 0.03, RUNS) <= 0.065
    assert simulation.non_inferiority(1000, flip, 0.03, 0.0, RUNS) >= 0.85


@pytest.mark.parametrize(("clusters", "size"), [(10, 1), (40, 5)])
def test_a_growth_in_length_is_held_by_its_interval(clusters: int, size: int) -> None:
    found = simulation.length_growth(clusters, size, 2_000)

    assert 0.935 <= found.covers <= 0.98
    assert found.at_truth <= 0.05 + 3 * (0.05 * 0.95 / 2_000) ** 0.5


def test_a_run_that_may_stop_early_keeps_the_level() -> None:
    found = simulation.early_stop(300, 0.10, 200)

    assert found.false_alarm <= 0.05
    assert simulation.early_stop(300, 0.02, 200).before_holm >= 0.75


def test_the_simulated_rule_is_the_gates_rule() -> None:
    generator = random.Random(5)
    sizes = [(generator.randrange(9), generator.randrange(9)) for _ in range(6)]
    results = [row for i, (w, b) in enumerate(sizes) for row in table(w, b, 60, f"s{i}")]
    report = decide(results, [demand(60, suite=f"s{i}") for i in range(6)], ROLES, "base")

    counts = simulation.tables_of([sizes], 60)
    expected = simulation.regressed(counts)[0].tolist()

    gated = [row.verdict is Verdict.REGRESSED for row in report.suites if row.variant == "new"]
    assert gated == expected


def test_the_page_holds_every_table() -> None:
    page = PAGE.read_text(encoding="utf-8")

    for name in TABLES:
        start = page.index(f"<!-- table: {name} -->\n|")
        assert page.index("<!-- end -->", start) > start
