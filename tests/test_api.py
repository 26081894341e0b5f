"""The package from Python: light to import, and typed values for what the commands do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from tests.recorded_project import Record, recorder, write_project


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return recorder(tmp_path)


def test_the_package_imports_none_of_its_rooms() -> None:
    code = "import sys, harness; print([n for n in sys.modules if n.startswith('harness.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    assert [name for name in harness.__all__ if not hasattr(harness, name)] == []
    assert set(harness.__all__) <= set(dir(harness))
    with pytest.raises(AttributeError):
        getattr(harness, "comp" + "ete")


def test_a_run_is_returned_as_values(record: Record) -> None:
    record({"base": "+" * 12, "new": "++++++------"})
    report = harness.run()

    assert isinstance(report, harness.RunReport)
    assert report.exit_code == 1
    assert report.gate.verdict is harness.Verdict.REGRESSED
    failed = [r.case for r in report.results() if r.outcome is harness.Outcome.FAIL]
    assert failed == ["c06", "c07", "c08", "c09", "c10", "c11"]


def test_suites_are_files_or_values(record: Record) -> None:
    record({"base": "+" * 12})
    suites = harness.load_suites(["suites"])

    for given in ("suites/colours.yaml", Path("suites"), suites[0], suites, ["suites"]):
        report = harness.run(given)
        assert [suite.name for suite in report.info.suites] == ["colours"]


def test_options_are_those_of_the_command_line(record: Record) -> None:
    with pytest.raises(harness.InputError, match="did you mean: adapter"):
        harness.run(adaptor=["new=x"])
    report = harness.run(backend="echo", responses=None)

    assert report.info.backend == "echo"


def test_recorded_answers_are_scored(record: Record, tmp_path: Path) -> None:
    record({"base": "+" * 12, "new": "+++++++++++-"})
    (tmp_path / "answers.jsonl").rename(tmp_path / "others.jsonl")
    report = harness.score("suites", responses="others.jsonl")

    rates = {row.variant: row.rate.pass_rate for row in report.gate.suites}
    assert rates == {"base": 1.0, "new": pytest.approx(11 / 12)}


def test_runs_are_compared_and_read_again(record: Record, tmp_path: Path) -> None:
    record({"base": "+" * 12})
    first = harness.run()
    record({"base": "++++++------"})
    second = harness.run()
    compared = harness.compare(first.info.id, "latest")

    assert isinstance(compared, harness.ComparisonReport)
    assert compared.exit_code == 1
    for name in ("latest", second.info.id, second.paths.directory, "reports/latest"):
        assert harness.load_run(name).info.id == second.info.id
    assert harness.load_run(first.info.id).info.id == first.info.id
    shutil.rmtree(first.paths.directory)
    again = harness.load_run(first.info.id)
    assert len(list(again.results())) == 12
    with pytest.raises(harness.InputError, match="no run is called 'nothing'"):
        harness.load_run("nothing")
