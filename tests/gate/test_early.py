"""A run that may stop early: its own test replaces the final one."""

from __future__ import annotations

import math

import pytest

from harness.common import GateSettings
from harness.gate import decide
from harness.gate.sequential import METHOD, log_e_value
from harness.results import SuiteInfo, Verdict
from tests.gate.hand_made import ROLES, result, table, verdict_of


def demand(cases: int, name: str = "s") -> SuiteInfo:
    return SuiteInfo(name, "format", "", "", GateSettings(), cases, cases)


def test_the_p_value_is_the_best_of_all_looks() -> None:
    """Losses first, then gains: the e-value was highest after the tenth loss."""
    report = decide(table(10, 6, 30), [demand(30)], ROLES, "base", sequential=True)

    seen = verdict_of(report).comparison
    assert seen is not None
    assert seen.p == pytest.approx(math.exp(-log_e_value(10, 0)))
    assert seen.method == METHOD
    assert (seen.mde, seen.mde_adjusted) == (None, None)


def test_the_order_of_the_results_is_the_order_of_looking() -> None:
    rows = list(table(10, 6, 30))
    base, new = rows[:30], rows[30:]
    late = [*new[10:], *new[:10]]
    report = decide([*base, *late], [demand(30)], ROLES, "base", sequential=True)

    seen = verdict_of(report).comparison
    assert seen is not None
    best = max(log_e_value(worse, 6) for worse in range(11))
    assert seen.p == pytest.approx(min(1.0, math.exp(-best)))


def test_a_cluster_is_looked_at_once() -> None:
    rows = [
        result(f"c{n}", variant, "P" if variant == "base" else "F", cluster=f"k{n // 5}")
        for variant in ("base", "new")
        for n in range(20)
    ]
    report = decide(rows, [demand(20)], ROLES, "base", sequential=True)

    seen = verdict_of(report).comparison
    assert seen is not None
    assert seen.p == pytest.approx(math.exp(-log_e_value(4, 0)))


def test_holm_corrects_as_usual() -> None:
    rows = [*table(9, 0, 30, "s"), *table(0, 0, 30, "t")]
    report = decide(rows, [demand(30, "s"), demand(30, "t")], ROLES, "base", sequential=True)

    seen = verdict_of(report, suite="s").comparison
    assert seen is not None
    assert seen.p_adjusted == pytest.approx(2 * seen.p)
    assert verdict_of(report, suite="s").verdict is Verdict.REGRESSED


def test_the_sentence_says_at_most() -> None:
    report = decide(table(9, 0, 30), [demand(30)], ROLES, "base", sequential=True)

    assert (
        verdict_of(report)
        .reasons[1]
        .startswith(
            "9 cases got worse, 0 got better; equal models give a result this lopsided in at most "
        )
    )
    assert "the test may stop early: it sees less" in verdict_of(report).reasons[-1]
