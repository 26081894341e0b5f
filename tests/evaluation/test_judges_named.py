"""Judges from settings: a run with a recorded one, one that is missing, and a real model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.common import InputError
from harness.config import load_settings
from harness.evaluation import RunReport, run_suites
from harness.results import Outcome

MODEL = Path(__file__).parents[2] / "fixtures" / "model"
SUITE = """\
suite: manners
category: instruction_following
cases:
  - id: greet
    user: Good morning!
    checks:
      - judge: The answer is polite.
  - id: part
    user: Goodbye!
    checks: [{not: {judge: {rubric: The answer is rude., backend: %s}}}]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite whose answers are those of `echo`, as the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("manners.yaml").write_text(SUITE % "strict")
    return tmp_path


def run(configuration: str, **given: Any) -> RunReport:
    Path("harness.toml").write_text('suites = ["manners.yaml"]\nbackend = "echo"\n' + configuration)
    return run_suites(load_settings(Path(), given))


def record(name: str, replies: Mapping[str, str]) -> str:
    """A table for a judge whose replies these are."""
    rows = [json.dumps({"case": case, "response": said}) for case, said in replies.items()]
    Path(f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    return f'backend = "replay"\nresponses = "{name}.jsonl"\n'


def test_recorded_judges_decide_and_are_named_in_the_record(project: Path) -> None:
    default = record("default", {"greet": "Kind.\nRating: 5"})
    strict = record("strict", {"part": "Not rude.\nRating: 1"})
    tables = f"[judge]\n{default}[judges.strict]\n{strict}"

    report = run(tables)
    again = run(tables)

    assert [result.outcome for result in report.results()] == [Outcome.PASS, Outcome.PASS]
    assert list(report.info.judges) == ["default", "strict"]
    assert (report.info.generated, again.info.generated) == (4, 0)
    assert json.loads(report.paths.json.read_text())["signature"]["judges"] == report.info.judges


def test_a_judge_that_is_missing_is_said_before_anything_is_generated(project: Path) -> None:
    with pytest.raises(InputError) as caught:
        run("[judges.strikt]\n" + record("strikt", {"part": "Rating: 1"}))

    assert str(caught.value) == (
        "manners.yaml:4:5: a check asks a judge, and none is configured\n"
        "  in case: greet\n"
        "  hint: add [tool.harness.judge] to pyproject.toml, with backend and model\n"
        "manners.yaml:8:5: no judge is called 'strict'\n"
        "  in case: part\n"
        "  did you mean: strikt\n"
        "  hint: add [tool.harness.judges.strict] to pyproject.toml, with backend and model"
    )
    assert not list(Path("reports").glob("2*"))


def test_a_wrong_key_of_a_judge_is_named(project: Path) -> None:
    with pytest.raises(InputError) as caught:
        run('[judge]\nmodle = "x"\n')

    assert str(caught.value) == (
        "harness.toml:4:1: unknown setting 'modle'\n"
        "  did you mean: model\n"
        "  hint: known settings: adapter, backend, base_url, device, dtype, engine_args, model, "
        "replicas, responses, sampling"
    )


def test_a_suite_without_judges_needs_none(project: Path) -> None:
    Path("manners.yaml").write_text(
        SUITE.replace("judge: The", "contains: The").split("  - id: p")[0]
    )

    assert run("").info.judges == {}


@pytest.mark.slow
def test_the_embedded_model_judges_without_a_crash(project: Path) -> None:
    """It was never taught to judge: what it says is read as a rating, or is an error."""
    Path("manners.yaml").write_text(SUITE % '""')

    report = run(f'[judge]\nmodel = "{MODEL}"\nsampling = {{max_new_tokens = 16}}\n')

    results = list(report.results())
    assert len(results) == 2
    for result in results:
        assert result.outcome is not Outcome.PASS or result.checks[0].detail
        assert result.outcome is not Outcome.ERROR or "judge" in result.reason
    assert report.failure == ""
