"""The summary for a pull request."""

from dataclasses import replace
from pathlib import Path

from harness.reports import build_scorecard, to_markdown
from harness.results import GateReport, Verdict
from tests.reports.samples import info, rate, row, small, suite

HERE = Path(__file__).parent


def test_the_small_run_gives_the_golden_summary() -> None:
    assert to_markdown(small()) == (HERE / "golden" / "summary.md").read_text("utf-8")


def test_text_cannot_become_markup() -> None:
    odd = "a|b <img src=x> *now* `x`\nnext"
    reason = row("invoices", "repaired", rate(1, 2, 0.1, 0.9), Verdict.BELOW_THRESHOLD, (odd,))
    card = build_scorecard(info(suites=(suite("invoices", 2),)), GateReport((reason,), None))
    assert r"a\|b &lt;img src=x&gt; \*now\* \`x\` next" in to_markdown(card)


def test_a_run_that_was_cut_off_says_so() -> None:
    card = build_scorecard(info(finished=False), GateReport((), None))
    assert "**The run did not finish: figures cover what was done.**" in to_markdown(card)


def test_part_of_a_suite_has_no_verdict() -> None:
    part = replace(row("invoices", "repaired", rate(6, 7, 0.5, 0.97)), partial="7 of 60 cases")
    text = to_markdown(build_scorecard(info(), GateReport((part,), None)))
    assert "| no verdict: 7 of 60 cases |" in text
