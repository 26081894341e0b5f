"""One repair of the embedded model from the failing run to the promotion, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.repair.workplace import Done, Workplace, new_workplace

pytestmark = pytest.mark.slow
TRAINING = ".harness/fix/*/round-1/adapter/.training/job*.json"


@pytest.fixture(scope="module")
def place(answered: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return new_workplace(tmp_path_factory.mktemp("repair") / "project", answered)


@pytest.fixture(scope="module")
def fixed(place: Workplace) -> Done:
    """The repair; its first process is killed while it trains, and the same command goes on."""
    place.killed("fix", when=lambda: any(place.folder.glob(TRAINING)))
    return place.here("fix")


@pytest.fixture(scope="module")
def report(place: Workplace, fixed: Done) -> dict[str, Any]:
    assert fixed.code == 0, fixed.out
    return place.report()


def row(report: dict[str, Any], suite: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in report["suites"] if row["suite"] == suite)
    return found


def test_the_weak_suite_is_repaired_on_cases_that_no_round_saw(report: dict[str, Any]) -> None:
    weak = row(report, "json_validity")

    assert weak["n"] == 19
    assert 0.25 <= weak["before"] <= 0.55
    assert weak["after"] >= 0.85


def test_every_other_suite_is_shown_to_have_lost_less_than_the_margin(
    report: dict[str, Any],
) -> None:
    others = [row for row in report["suites"] if not row["repaired"]]

    assert len(others) == 5
    assert {row["verdict"] for row in others} == {"pass"}
    assert min(row["bound"] for row in others) > -report["max_drop"]


def test_base_and_new_adapter_were_judged_in_one_run(
    place: Workplace, report: dict[str, Any]
) -> None:
    folder = place.folder / "reports" / report["judging_run"]
    card = json.loads((folder / "scorecard.json").read_text(encoding="utf-8"))

    assert {v["name"] for v in card["variants"]} == {"base", f"fix-{report['loop']}"}
    assert card["verdict"] == "pass"


def test_the_guard_saw_every_case_and_stands_in_the_manifest(
    place: Workplace, report: dict[str, Any]
) -> None:
    folder = place.folder / report["adapter"]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))

    assert report["rounds"][0]["guard"]["cases"] == 308
    assert manifest["guard"] == report["rounds"][0]["guard"]
    assert manifest["guard"]["hits"] == []


def test_the_adapter_is_in_use_and_can_be_taken_back(
    place: Workplace, report: dict[str, Any]
) -> None:
    link = place.folder / ".harness" / "adapters" / "current"
    assert link.resolve() == (place.folder / report["adapter"]).resolve()
    assert (link / "adapter_model.safetensors").is_file()

    back = place.here("rollback")
    assert back.code == 0, back.out
    assert "in use: the base without an adapter" in back.out
    assert not link.exists()
    again = place.here("rollback", "--to", "fix-")
    assert again.code == 0, again.out
    assert link.resolve().name == Path(report["adapter"]).name


def test_the_report_shows_what_was_tried_and_what_it_cost(
    place: Workplace, report: dict[str, Any]
) -> None:
    page = (place.folder / "reports" / f"fix-{report['loop']}" / "fix.html").read_text("utf-8")
    training = report["rounds"][0]["training"]

    assert "Promoted: json_validity repaired" in page
    assert 'src="data:image/svg+xml;base64,' in page
    assert "pool fixtures/pools/json_validity.jsonl" in page
    assert len(training["losses"]) == training["steps"]
    assert report["cost"]["total_seconds"] > 0
    assert report["cost"]["trained_tokens"] > 10_000


def test_the_same_command_does_nothing_again(place: Workplace, fixed: Done) -> None:
    again = place.here("fix", "--report-dir", "elsewhere")

    assert again.code == fixed.code
    assert "this repair ended before; nothing was done again" in again.out
