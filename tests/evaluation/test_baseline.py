"""A baseline from an earlier run: it is looked up and read once, and is still judged by."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import VariantRole
from harness.config import Settings, load_settings
from harness.evaluation import compare_runs, reopen, rescore_run, run, run_suites, variants_of
from harness.gate import save_baseline
from harness.suites import load_suites
from tests.evaluation.worlds import StoreCounts
from tests.recorded_project import recorder, write_project

BASELINE, CANDIDATE = VariantRole.BASELINE, VariantRole.CANDIDATE


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A project with a run of `base` in its store, and answers of `new`, which lost six of 12."""
    write_project(tmp_path)
    record = recorder(tmp_path)
    record({"base": "+" * 12})
    settings = load_settings(tmp_path)
    report = run_suites(settings)
    save_baseline(tmp_path / "base.json", report.info, report.results())
    record({"new": "++++++------"})
    return settings.model_copy(update={"baseline": report.info.id})


def test_a_run_reads_its_baseline_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = StoreCounts(monkeypatch)
    report = run_suites(settings)

    # What it stored itself is at hand.
    assert (counts.opened, counts.read) == (2, {settings.baseline: 1})
    assert [(v.name, v.role) for v in report.info.variants] == [
        ("base", BASELINE),
        ("new", CANDIDATE),
    ]
    assert report.info.source == f"{settings.baseline}:base"
    assert report.exit_code == 1


def test_a_baseline_in_a_file_is_read_once(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = StoreCounts(monkeypatch)
    report = run_suites(settings.model_copy(update={"baseline": "base.json"}))

    assert (counts.opened, counts.read) == (1, {})
    assert report.info.source == "base.json"
    assert report.exit_code == 1


def test_the_baseline_that_was_found_is_the_one_that_is_judged_by(
    settings: Settings, tmp_path: Path
) -> None:
    found = variants_of(settings.model_copy(update={"baseline": "base.json"}))
    (tmp_path / "base.json").unlink()
    suites = load_suites([str(tmp_path / "suites/colours.yaml")])
    report = run(settings, suites, found)

    assert report.exit_code == 1
    assert report.gate.warnings == ()
    warned = reopen(settings, report.info.id).gate.warnings
    assert any(text.startswith("the baseline base.json cannot be read any more") for text in warned)


def test_a_run_that_is_opened_again_reads_its_baseline_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_suites(settings)
    counts = StoreCounts(monkeypatch)
    again = reopen(settings, report.info.id)

    assert again.gate == report.gate
    assert (counts.opened, counts.read) == (2, {settings.baseline: 1, report.info.id: 1})


def test_scoring_again_reads_the_baseline_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_suites(settings)
    counts = StoreCounts(monkeypatch)
    again = rescore_run(settings, report.info.id)

    assert again.exit_code == 1
    assert counts.opened == 2
    assert counts.read == {settings.baseline: 1, report.info.id: 2}  # as it was, and scored again


def test_runs_are_compared_by_what_was_read_when_they_were_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_suites(settings)
    counts = StoreCounts(monkeypatch)
    compared = compare_runs(settings, [settings.baseline or "", report.info.id])

    assert compared.exit_code == 1
    # For the verdict, for the extra figures, and twice for the files of the report.
    assert counts.read == {settings.baseline: 4, report.info.id: 4}
