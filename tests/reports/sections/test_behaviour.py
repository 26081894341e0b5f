"""The section on length and speed: what is drawn, and what is said where there is no figure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.common import GateSettings, Prices, VariantRole
from harness.gate import collect, judge_ledger
from harness.reports import Scorecard, build_scorecard, to_markdown, write_reports
from harness.reports.sections.behaviour import BehaviourSection
from harness.results import GateReport, Outcome, Result, Verdict
from tests.reports.browser import CHROMIUM, DRIVER, MISSING, browser
from tests.reports.samples import info, suite, variant

ROLES = {"base": VariantRole.BASELINE, "repaired": VariantRole.CANDIDATE}


def answers(*, timed: bool = True, thinks: bool = False, n: int = 12) -> Iterator[Result]:
    """Two variants of which the candidate says half as much again."""
    for number in range(n):
        for name in ROLES:
            tokens = (20 + number % 5) * (3 if name == "repaired" else 2)
            yield Result(
                suite="invoices",
                category="json_validity",
                case=f"inv-{number:02d}",
                variant=name,
                repeat=0,
                outcome=Outcome.PASS,
                score=1.0,
                responses=("text" * tokens,),
                prompt_tokens=100,
                completion_tokens=tokens,
                reasoning_tokens=tokens // 2 if thinks else 0,
                seconds=0.02 * tokens if timed else 0.0,
                first_token=0.01 if timed else None,
                machine="a" * 12 if timed else "",
            )


def card(results: Iterator[Result], *, priced: bool = False, **bars: float) -> Scorecard:
    settings = GateSettings.model_validate(bars)
    suites = (replace(suite("invoices", 12), gate=settings),)
    prices = {name: Prices(input=1, output=4, currency="EUR") for name in ROLES} if priced else {}
    report = judge_ledger(collect(results), suites, ROLES, "base", prices=prices)
    variants = (variant("base"), variant("repaired"))
    return build_scorecard(info(suites=suites, variants=variants, tokens=4160), report)


def section(shown: Scorecard) -> str:
    """Its text, without markup."""
    html = BehaviourSection.markup(shown.gate.suites, shown.run)
    return " ".join(re.sub(r"<[^>]+>", " ", str(html)).split()).replace("&#39;", "'")


def test_means_and_changes_stand_beside_each_other() -> None:
    shown = card(answers(thinks=True), priced=True)
    text = section(shown)

    heads = "Suite Variant Tokens Characters Reasoning Seconds First token, s Tokens/s"
    assert f"{heads} Cost of 1,000, EUR" in text
    assert "invoices base 43.5 174 21.8 0.87 0.01 50 0.274" in text
    assert "invoices repaired 65.2 +50 % +50 to +50 %" in text
    assert "The whole run generated 4,160 tokens in 42 s: 100 tokens/s with loading" in text
    assert str(BehaviourSection.markup(shown.gate.suites, shown.run)).count('class="strip"') == 2


def test_what_nobody_can_tell_has_its_reason_once() -> None:
    text = section(card(answers(timed=False)))
    reason = "no times: recorded answers, a baseline file, several replicas, or a store from before"
    assert text.count(reason) == 1
    assert f"Not known: seconds, first token and tokens/s: {reason}" in text
    assert "Seconds" not in text.partition("Not known")[0]

    few = section(card(answers(n=4)))
    assert "Not compared: tokens, characters, seconds, first token and tokens/s of repaired" in few
    assert "4 independent cases, at least 5 are needed" in few
    assert few.startswith("Means over cases. ")  # no strip is drawn


def test_a_bar_is_drawn_and_what_is_above_it_is_marked() -> None:
    over = card(answers(), max_length_growth=0.2)
    kept = card(answers(), max_length_growth=0.7)

    assert (over.gate.verdict, kept.gate.verdict) == (Verdict.BELOW_THRESHOLD, Verdict.PASS)
    for shown, marked in ((over, True), (kept, False)):
        html = str(BehaviourSection.markup(shown.gate.suites, shown.run))
        assert ('class="over-bar"' in html) is marked
        assert html.count('class="bar"') == 1


def test_markdown_says_it_where_it_matters() -> None:
    assert "answers of 65.2 tokens, +50 %" in to_markdown(card(answers()))
    assert "answers of 65.2 tokens, +50 % (+50 to +50 %); 1.3 s, +50 %" in to_markdown(
        card(answers(), max_latency_growth=0.2)
    )
    alike = (replace(row, completion_tokens=40, responses=("text",)) for row in answers())
    assert "answers of" not in to_markdown(card(alike))


def test_a_report_without_such_figures_has_no_such_section() -> None:
    shown = replace(card(answers()), gate=GateReport((), None))
    assert not [row for row in shown.gate.suites if row.behaviour]


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason=MISSING)
def test_the_table_scrolls_by_itself_on_a_phone(tmp_path: Path) -> None:
    shown = card(answers(thinks=True), priced=True, max_length_growth=0.2)
    page = write_reports(tmp_path, "run", shown, lambda: answers(thinks=True)).html
    with browser(tmp_path / "profile") as window:
        for width in (390, 1280):
            window.size(width, 900)
            window.open(page)
            assert window.run("return document.documentElement.scrollWidth <= innerWidth")
        assert "Length and speed" in window.texts("main h2")
        assert window.complaints() == []
