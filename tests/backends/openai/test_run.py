"""A whole run on a server that dies half-way, and the run after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.config import load_settings
from harness.evaluation import RunReport, run_suites
from harness.results import Outcome
from tests.backends.openai.serving import CUT, Heard, Said, SmallServer, echo

CASES = 12


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite whose cases pass when they are echoed."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-to-be-seen")
    rows = [f"  - {{id: c{n}, user: say {n}, checks: [{{contains: '{n}'}}]}}" for n in range(CASES)]
    text = "suite: small\ncategory: c\ncases:\n" + "\n".join(rows) + "\n"
    (tmp_path / "small.yaml").write_text(text)
    return tmp_path


def run(project: Path, url: str) -> RunReport:
    given = {
        "backend": "openai",
        "base_url": url,
        "model": "small",
        "engine_args": {"in_flight": 1, "retries": 0},
    }
    return run_suites(load_settings(project, given), [str(project / "small.yaml")])


def test_a_run_goes_on_where_a_dying_server_stopped_it(project: Path) -> None:
    def dying(heard: Heard) -> Said:
        if len(server.heard) <= 5:
            return echo(heard)
        server.die()
        return Said(200, CUT)

    server = SmallServer(dying)
    broken = run(project, server.url)
    server.close()
    heard = len(server.heard)
    server = SmallServer(port=server.port)
    whole = run(project, server.url)
    server.close()

    assert (broken.exit_code, whole.exit_code) == (3, 0)
    assert (broken.info.generated, whole.info.generated, whole.info.cached) == (5, CASES - 5, 5)
    outcomes = [result.outcome for result in broken.results()]
    assert (outcomes.count(Outcome.PASS), outcomes.count(Outcome.ERROR)) == (5, CASES - 5)
    assert heard >= 6
    assert len(server.heard) == CASES - 5


def test_the_key_is_in_no_file_of_a_run(project: Path) -> None:
    server = SmallServer()
    report = run(project, server.url)
    server.close()

    written = [path for path in project.rglob("*") if path.is_file()]
    card = json.loads(report.paths.json.read_text())
    assert server.heard[0].headers["Authorization"] == "Bearer sk-never-to-be-seen"
    assert card["run"]["backend"] == "openai"
    assert len(written) > 4
    assert not [path for path in written if b"sk-never-to-be-seen" in path.read_bytes()]
