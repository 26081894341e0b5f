"""Means and win rates of what people said, with intervals, agreement and disagreements."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.common import VariantRole
from harness.reports import people_extras
from harness.reports.sections.people import PeopleRow, PeopleSection
from harness.results import TIE, HumanJudgement, RunInfo, VariantInfo, reviewed
from tests.gate.test_people import BASE, CASES, NEW, RESULTS, preferred, scored
from tests.store.test_store import info

RUN = replace(
    info("run"),
    baseline=BASE,
    variants=tuple(
        VariantInfo(name, role, "m", None, "w", "", {})
        for name, role in ((BASE, VariantRole.BASELINE), (NEW, VariantRole.CANDIDATE))
    ),
)


def rows_of(said: list[HumanJudgement], run: RunInfo = RUN) -> list[PeopleRow]:
    found = people_extras(reviewed(said, RESULTS), run).get("people", ())
    return [row for row in found if isinstance(row, PeopleRow)]


def test_a_mean_has_the_interval_of_rates_on_the_scale_of_scores() -> None:
    said = [scored(case, NEW, 5 if at < 8 else 3) for at, case in enumerate(CASES[:10])]
    (row,) = rows_of(said)
    assert (row.variant, row.criterion, row.judgements, row.cases) == (NEW, "overall", 10, 10)
    assert row.mean == pytest.approx(4.6)
    # Wilson's interval for 9 of 10: 0.5958 to 0.9821, of four steps above 1.
    assert row.ci == pytest.approx((3.3834, 4.9285), abs=0.0005)
    assert (row.alpha, row.alpha_reason) == (None, "no answer was judged by two people")


def test_a_win_rate_counts_ties_half() -> None:
    said = [preferred(case, (NEW, NEW, TIE, BASE)[at % 4]) for at, case in enumerate(CASES[:20])]
    (row,) = rows_of(said)
    assert (row.variant, row.against, row.wins, row.ties, row.losses) == (NEW, BASE, 10, 5, 5)
    assert row.share == pytest.approx(0.625)
    # Wilson's interval for 12.5 of 20: (0.625 + 0.0960 ± 1.96 √(0.01172 + 0.00240)) / 1.1921.
    assert row.ci == pytest.approx((0.4095, 0.8002), abs=0.0005)


def test_two_raters_agree_or_are_listed() -> None:
    said = [scored(case, NEW, 1 + at % 5) for at, case in enumerate(CASES)]
    said += [scored(case, NEW, 1 + at % 5, "bob") for at, case in enumerate(CASES[:-1])]
    said += [replace(scored(CASES[-1], NEW, 1, "bob"), note="it is wrong")]
    (row,) = rows_of(said)
    assert (row.raters, row.agreed_on, row.cases, row.judgements) == (("ann", "bob"), 30, 30, 60)
    # Seen: 2 · 4² / 60; by chance: (2 · 60 · 636 − 2 · 176²) / (60 · 59).
    assert row.alpha == pytest.approx(1 - (32 / 60) / (14_368 / 3_540), abs=1e-9)
    (apart,) = row.disagreements
    assert (apart.case, apart.said) == (CASES[-1], {"ann": 5, "bob": 1})
    assert apart.notes == {"bob": "it is wrong"}
    page = PeopleSection.markup([row], RUN)
    assert f"{CASES[-1]} (ann 5, bob 1)" in page
    assert "0.87 (of 30 answers)" in page


def test_preferences_disagree_where_the_names_do() -> None:
    said = [preferred(case, NEW) for case in CASES]
    said += [preferred(case, NEW if at else BASE, "bob") for at, case in enumerate(CASES)]
    (row,) = rows_of(said)
    assert [each.said for each in row.disagreements] == [{"ann": 1, "bob": -1}]
    assert row.alpha == pytest.approx(0.0, abs=0.02)  # one dissent in a sea of one name
    assert f"{CASES[0]} (ann won, bob lost)" in PeopleSection.markup([row], RUN)


def test_without_a_baseline_each_is_held_against_those_before_it() -> None:
    roles = tuple(replace(v, role=VariantRole.CANDIDATE) for v in RUN.variants)
    open_run = replace(RUN, baseline=None, variants=roles)
    (row,) = rows_of([preferred(CASES[0], NEW)], open_run)
    assert (row.variant, row.against, row.wins) == (NEW, BASE, 1)


def test_nothing_said_has_no_row() -> None:
    assert rows_of([]) == []
