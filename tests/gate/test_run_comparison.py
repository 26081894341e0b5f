"""Runs compared from their results alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

import pytest

from harness.common import GateSettings, InputError, VariantRole
from harness.gate import collect, compare_ledgers
from harness.results import GateReport, Result, Verdict
from tests.gate.hand_made import result, rows, verdict_of


def compare(
    runs: Mapping[str, Iterable[Result]],
    settings: Mapping[str, GateSettings] | None = None,
    insist: bool = False,
) -> GateReport:
    """Count the results of each run and compare them; all suites are of one category."""
    counted = {name: collect(results) for name, results in runs.items()}
    categories = {"s": "format", "old": "format"}
    return compare_ledgers(counted, categories, settings=settings, insist=insist)


def test_the_second_run_is_judged_against_the_first() -> None:
    report = compare(
        {"monday": rows("P" * 20, "base"), "tuesday": rows("F" * 6 + "P" * 14, "base")}
    )

    row = verdict_of(report, variant="tuesday")
    assert report.verdict is row.verdict is Verdict.REGRESSED
    assert row.category == "format"
    assert row.comparison is not None
    assert row.comparison.baseline == "monday"
    assert verdict_of(report, variant="monday").role is VariantRole.BASELINE


def test_several_runs_are_each_compared_with_the_first() -> None:
    report = compare({"a": rows("PPP"), "b": rows("PPP"), "c": rows("PFP")})

    assert [(row.variant, row.verdict) for row in report.suites] == [
        ("a", None),
        ("b", Verdict.PASS),
        ("c", Verdict.PASS),
    ]


def test_bars_may_be_given() -> None:
    bars = {"s": GateSettings(min_pass_rate=0.9)}

    report = compare({"a": rows("PPP"), "b": rows("PFP")}, settings=bars)

    assert report.verdict is Verdict.BELOW_THRESHOLD


def test_suites_and_cases_of_one_side_are_said() -> None:
    first = chain(rows("PPPP"), rows("PP", suite="old"))

    report = compare({"a": first, "b": rows("PP")})

    assert report.warnings == ("suite old was not compared: only a has results",)
    assert verdict_of(report, variant="b").warnings == (
        "2 cases not compared: only a has a result",
    )
    assert report.verdict is Verdict.PASS


def test_other_environments_are_refused_unless_the_user_insists() -> None:
    def runs() -> dict[str, list[Result]]:
        return {"a": [result("x", environment="e1")], "b": [result("x", environment="e2")]}

    assert compare(runs()).verdict is Verdict.ERROR
    assert compare(runs(), insist=True).verdict is Verdict.PASS


def test_runs_without_a_common_suite_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        compare({"a": rows("P", suite="one"), "b": rows("P", suite="two"), "c": []})

    assert str(caught.value) == (
        "the runs have no suite in common\n  found: a: one; b: two; c: no results"
    )


def test_one_run_is_no_comparison() -> None:
    with pytest.raises(InputError) as caught:
        compare({"a": rows("P")})

    assert str(caught.value) == "a comparison needs at least two runs\n  found: a"


def test_a_run_of_two_variants_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        compare({"a": chain(rows("P", "base"), rows("P", "new")), "b": rows("P")})

    assert str(caught.value) == "a holds the results of several variants\n  found: base, new"
