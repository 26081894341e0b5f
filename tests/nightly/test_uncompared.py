"""Cases that were not compared: which of them, and why, on the terminal, the page and Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from harness.nightly.rivals import Uncompared, notes_of
from tests.nightly.conftest import ALL, Sleep, answers, changed

SUITE = Path("suites/colours.yaml")
ONE = "base and new in colours: 1 of 12 cases changed since last night: not compared (c03)"


def edit(old: str, new: str) -> None:
    SUITE.write_text(SUITE.read_text().replace(old, new))


def test_one_changed_case_is_named_everywhere(
    sleep: Sleep, capsys: pytest.CaptureFixture[str]
) -> None:
    sleep()
    edit("id: c03, user: Say red.", "id: c03, user: Say the word red.")
    assert main(["nightly", "nightly.yaml"]) == 0

    assert f"note: {ONE}\n" in capsys.readouterr().out
    assert f"- note: {ONE}\n" in Path("reports/nightly/production/summary.md").read_text()
    assert f">{ONE}</p>" in Path("reports/nightly/production/trend.html").read_text()


def test_a_suite_that_changed_as_a_whole(sleep: Sleep) -> None:
    sleep()
    edit("Say red.", "Say the word red.")

    assert sleep(1).notes == (
        "base and new in colours: not compared: all 12 cases changed since last night",
    )


def test_cases_that_are_new_or_gone(sleep: Sleep) -> None:
    sleep()
    edit("id: c03", "id: c99")
    answers(base=ALL, new=ALL)
    recorded = Path("answers.jsonl")
    recorded.write_text(recorded.read_text().replace('"c03"', '"c99"'))

    assert sleep(1).notes == (
        "base and new in colours: 1 of 12 cases new since last night: not compared (c99)",
        "base and new in colours: 1 case gone since last night (c03)",
    )


def test_another_sampling_is_said(sleep: Sleep) -> None:
    sleep()
    SUITE.write_text("defaults: {sampling: {seed: 7}}\n" + SUITE.read_text())

    assert sleep(1).notes == (
        "base and new in colours: all 12 cases not compared with last night: "
        "the suite's sampling differs",
    )


def test_changes_since_the_pinned_baseline(sleep: Sleep) -> None:
    run = sleep().night.rates[0].run
    assert main(["baseline", "save", "pinned.json", run, "--variant", "base"]) == 0
    edit("id: c03, user: Say red.", "id: c03, user: Say the word red.")
    changed(pinned="pinned.json")

    assert sleep(1).notes[1:] == (ONE.replace("last night", "the pinned baseline"),)


def test_reasons_that_differ_stay_apart() -> None:
    rows = [Uncompared("a", "x", "why"), Uncompared("a", "y", "other"), Uncompared("b", "x", "why")]

    assert list(notes_of(rows)) == ["x in a: why", "y in a: other", "x in b: why"]
