"""What version 0.1 left behind is still used: its store, its baseline file, its report.

`data/project_0_1` is a small project with recorded answers: three suites (plain, judged by a model,
two turns with repeats) and three variants. Its store holds three runs, one of them against the
baseline file, and two nights.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

import harness
from harness.cli import main
from harness.results import Outcome, result_to_json
from harness.store import Store, read_entries

KEPT = Path(__file__).parent / "data" / "project_0_1"
FIRST, SECOND, AGAINST_FILE = (
    "20261129-010346-a1ceae",
    "20261129-010352-69cdef",
    "20261129-010354-62d5e5",
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a copy of the kept project, and return its store."""
    folder = tmp_path / "project"
    shutil.copytree(KEPT, folder)
    monkeypatch.chdir(folder)
    Path(".harness").mkdir()
    connection = sqlite3.connect(".harness/store.db")
    connection.executescript(gzip.decompress(Path("store.sql.gz").read_bytes()).decode())
    connection.close()
    return Path(".harness/store.db")


def verdicts(run_id: str) -> dict[tuple[str, str], str | None]:
    """Return the verdicts of a run by suite and variant, as its scorecard has them."""
    written = json.loads(Path("reports", run_id, "scorecard.json").read_text())
    return {
        (row["suite"], row["variant"]): row["gate"] and row["gate"]["verdict"]
        for row in written["categories"]
    }


def test_runs_and_results_of_a_kept_store_are_read(store: Path) -> None:
    with Store(store) as opened:
        assert [run.id for run in opened.runs()] == [AGAINST_FILE, SECOND, FIRST]
        assert [v.name for v in opened.run(FIRST).variants] == ["base", "new", "other"]
        assert [suite.name for suite in opened.run(FIRST).suites] == ["colours", "manners", "talks"]
        results = list(opened.results(FIRST))
        assert len(results) == 54  # (8 + 4 + 3 × 2) × 3 variants
        assert {(r.suite, r.case, r.variant) for r in results if r.outcome is not Outcome.PASS} == {
            ("colours", "c00", "new"),
            ("colours", "c02", "new"),
            ("colours", "c07", "other"),
        }
        assert len(read_entries(opened, "")) == 8


def test_the_report_that_was_written_of_a_run_holds_the_results_of_the_store(store: Path) -> None:
    saved = harness.load_run("reports/older")

    with Store(store) as opened:
        kept = [result_to_json(result) for result in opened.results(FIRST)]
    assert saved.info.id == FIRST
    assert sorted(map(json.dumps, map(result_to_json, saved.results()))) == sorted(
        map(json.dumps, kept)
    )


def test_a_kept_store_is_whole(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "verify"]) == 0
    assert "257 rows, all as they were written" in capsys.readouterr().out


def test_a_run_on_a_kept_store_generates_nothing(store: Path) -> None:
    """The keys are equal: answers of the model and of its judge are found."""
    assert main(["run"]) == 4

    with Store(store) as opened:
        run = opened.runs()[0]
        assert (run.generated, run.cached) == (0, 84)
        now = {(r.suite, r.case, r.variant, r.repeat): r for r in opened.results(run.id)}
        for result in opened.results(FIRST):
            again = now[result.suite, result.case, result.variant, result.repeat]
            assert again.responses == result.responses
            assert again.outcome is result.outcome
    assert verdicts(run.id) == verdicts("older")


def test_a_kept_baseline_file_is_compared_with(store: Path) -> None:
    assert main(["run", "--baseline", "base.json"]) == 4

    with Store(store) as opened:
        run = opened.runs()[0]
        assert (run.generated, run.source) == (0, "base.json")
    found = verdicts(run.id)
    assert found["colours", "base-committed"] is None
    assert found["colours", "base"] == "pass"
    assert found["manners", "new"] == "inconclusive"


def test_variants_of_kept_runs_are_compared(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", f"{FIRST}:base", f"{SECOND}:new"]) == 4

    colours = capsys.readouterr().out.partition("manners")[0]
    assert "8/8" in colours
    assert "6/8" in colours
