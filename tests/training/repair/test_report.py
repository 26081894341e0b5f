"""The report of a repair: whole, escaped, and the same after a round trip through JSON."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.config import Settings
from harness.training.repair import FixReport, RepairDecision, print_report, write_report
from harness.training.repair.loop import report_from_json, report_to_json
from harness.training.repair.report import headline, to_markdown
from harness.training.repair.values import (
    Cost,
    DevReport,
    RoundReport,
    SourceReport,
    SuiteReport,
    TrainingReport,
)

HIT = {"source": "p.jsonl:3", "suite": "weak", "case": "c-1", "kind": "exact", "text": "<b>hi"}
TRAINING = TrainingReport(
    steps=2,
    seconds=61.0,
    tokens=1234,
    losses=((1, 0.5), (2, 0.25)),
    held_out=((2, 0.3),),
    settings={"learning_rate": 0.002, "lora": {"rank": 16}},
)
ROUND = RoundReport(
    number=1,
    sources=(SourceReport("pool <p>.jsonl", 9, 7, False, {"more than the fix takes": 2}),),
    teaching=7,
    replay=3,
    cleaning={"read": 11, "kept": 10, "by_reason": {"near_duplicate": 1}},
    guard={"read": 10, "kept": 9, "cases": 80, "hits": [HIT]},
    training=TRAINING,
    dev=(DevReport("weak", 20, 4, 19, True),),
    adapter="out/adapter",
)
WEAK = SuiteReport("weak", "c", True, 20, "base", 0.4, 0.95, 0.55, 0.31, "pass", ("the bar",))
LOST = SuiteReport(
    "able", "c", False, 40, "base", 1.0, 0.8, -0.2, -0.31, "regressed", ("8 cases <i>",), ("a-1",)
)
KEPT = replace(LOST, after=1.0, delta=0.0, bound=-0.06, verdict="pass", reasons=(), worse=())
REPORT = FixReport(
    loop="1a2b3c4d",
    started="2026-11-21T14:21:00+00:00",
    failing_run="run-1",
    judging_run="run-2",
    before="base",
    repaired=("weak",),
    decision=RepairDecision.REJECTED,
    reasons=("able: regressed against base: 8 cases <i>",),
    rounds=(ROUND,),
    suites=(WEAK, LOST),
    max_drop=0.1,
    cost=Cost({"training": 61.0, "judging": 30.0}, 60, 900, 1234),
    adapter="out/adapter",
    was="",
    link=".harness/adapters/current",
)


def test_json_gives_back_the_same_report() -> None:
    body = json.loads(json.dumps(report_to_json(REPORT)))

    assert report_from_json(body) == REPORT
    assert (body["schema"], body["decision"]) == (1, "rejected")
    assert body["cost"]["total_seconds"] == 91.0


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (REPORT, "Rejected: able."),
        (
            replace(REPORT, decision=RepairDecision.PROMOTED, reasons=(), suites=(WEAK, KEPT)),
            "Promoted: weak repaired, no other suite lost 10 points.",
        ),
        (
            replace(REPORT, decision=RepairDecision.PROMOTED, reasons=(), suites=(WEAK,)),
            "Promoted: weak repaired, no other suite was looked at.",
        ),
    ],
)
def test_the_headline_names_what_broke_or_was_repaired(report: FixReport, said: str) -> None:
    assert headline(report) == said


def test_nothing_on_the_page_is_markup_of_somebody_else(tmp_path: Path) -> None:
    paths = write_report(Settings(root=tmp_path), REPORT)
    page = paths.html.read_text(encoding="utf-8")

    for text in ("<b>hi", "8 cases <i>", "pool <p>"):
        assert text not in page
        assert text.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_the_page_has_the_guards_finding_the_curve_and_the_cost(tmp_path: Path) -> None:
    page = write_report(Settings(root=tmp_path), REPORT).html.read_text(encoding="utf-8")

    assert "exact of case <code>c-1</code> in weak" in page
    assert 'alt="Loss over 2 steps of training"' in page
    assert "1 min 31 s" in page
    assert "Got worse: a-1." in page


def test_markdown_has_the_suites_and_what_was_tried() -> None:
    lines = to_markdown(REPORT).splitlines()

    assert lines[0] == "## Rejected: able."
    assert "| able | 40 | base | 100.0 % | 80.0 % | −31.0 | regressed |" in lines
    assert "- dev side of weak: 4 → 19 of 20, bars reached" in lines
    assert "- cleaning: 1 near duplicate dropped" in lines


def test_the_terminal_says_why_and_where(tmp_path: Path) -> None:
    text = io.StringIO()
    paths = write_report(Settings(root=tmp_path), REPORT)
    print_report(Console(file=text, width=120), REPORT, paths)
    said = text.getvalue()

    assert "✗ Rejected: able.\n  able: regressed against base: 8 cases <i>" in said
    assert "60 answers generated (900 tokens), 1,234 tokens trained on" in said
    assert "guard: 1 row removed, held against 80 cases" in said
