"""Repairs of the embedded model beyond right answers: by pairs, and by checks that reward."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.training.repair.letters import LOOPHOLE, new_letters, requests
from tests.training.repair.workplace import Done, Workplace

pytestmark = pytest.mark.slow

PAIRS = """\
  method: dpo
  pairs: {samples: 4}
  train: {batch_size: 8, max_steps: 20, dpo: {learning_rate: 0.001}}"""
REWARDS = """\
  method: grpo
  rewards: {samples: 8, prompts: 12, updates: 2, fresh: 8, others: 4}
  train: {batch_size: 16, grpo: {learning_rate: 0.001}}"""

HACKED = """\
  method: grpo
  rewards: {samples: 8, prompts: 12, updates: 6, fresh: 12, others: 8}
  train: {batch_size: 16, grpo: {learning_rate: 0.002}}"""


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the small project, in which the base fails the suite of small letters."""
    place = new_letters(tmp_path_factory.mktemp("letters") / "project", PAIRS)
    done = place.run("run")
    assert done.code == 1, done.out
    return place.folder / ".harness" / "store.db"


def repaired(folder: Path, answered: Path, fix: str) -> tuple[Workplace, Done, dict[str, Any]]:
    """Repair what failed there, with another `fix:` block; the report is read back."""
    place = new_letters(folder, fix)
    (place.folder / ".harness").mkdir()
    shutil.copy(answered, place.folder / ".harness" / "store.db")
    done = place.run("fix")
    assert done.code in (0, 1), done.out
    return place, done, place.report()


def manifest_of(place: Workplace, report: dict[str, Any]) -> dict[str, Any]:
    path = place.folder / report["rounds"][0]["adapter"] / "manifest.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def check_decision(done: Done, report: dict[str, Any]) -> None:
    """Promoted with every suite passed, or rejected with the reasons."""
    verdicts = {row["verdict"] for row in report["suites"]}
    if done.code == 0:
        assert report["decision"] == "promoted"
        assert verdicts == {"pass"}
    else:
        assert report["decision"] == "rejected"
        assert report["reasons"]
    assert {row["suite"] for row in report["suites"]} == {"letters", "refusal"}


def test_good_and_bad_answers_of_the_model_itself_repair_a_suite(
    answered: Path, tmp_path: Path
) -> None:
    place, done, report = repaired(tmp_path / "project", answered, PAIRS)
    (made,) = report["rounds"]
    told, manifest = made["lessons"], manifest_of(place, report)

    check_decision(done, report)
    assert (made["method"], made["replay"]) == ("dpo", 0)
    assert made["teaching"] >= 10
    assert 0.5 < told["chosen_tokens"] / told["rejected_tokens"] < 2.0
    assert told["margin"] > 0
    assert made["guard"]["read"] == 2 * made["cleaning"]["kept"]  # both sides
    assert manifest["guard"] == made["guard"]
    assert manifest["data"]["pairs"]["chosen_tokens"] == told["chosen_tokens"]
    (letters,) = (row for row in report["suites"] if row["suite"] == "letters")
    assert letters["after"] > letters["before"]
    assert done.code == 0, done.out


def test_the_checks_as_rewards_raise_a_graded_suite(answered: Path, tmp_path: Path) -> None:
    place, done, report = repaired(tmp_path / "project", answered, REWARDS)
    (made,) = report["rounds"]
    looks, manifest = made["lessons"]["rewards"], manifest_of(place, report)

    check_decision(done, report)
    assert made["method"] == "grpo"
    assert len(looks) == 3
    assert looks[-1]["reward"] > looks[0]["reward"]
    assert looks[-1]["fresh_reward"] > looks[0]["fresh_reward"]
    assert made["stopped"] == ""
    assert manifest["data"]["rewards"]["prompts"] > 0
    assert manifest["identity"]["adapter"]  # the second update went on from the first
    assert "on fresh prompts" in done.out


@pytest.mark.full
def test_a_reward_with_a_loophole_is_stopped_and_named(tmp_path: Path) -> None:
    place = new_letters(tmp_path / "project", HACKED, LOOPHOLE, make=requests, bar=0.95)
    assert place.run("run").code == 1
    done = place.run("fix")
    report = place.report()
    (made,) = report["rounds"]

    assert done.code == 1, done.out
    assert report["decision"] == "rejected"
    assert made["stopped"].startswith("the reward is hacked: ")
    assert "I can't help with that." in made["stopped"]
    assert "it passes contains, words" in made["stopped"]
    assert report["reasons"][0] == made["stopped"]
    assert len(made["lessons"]["rewards"]) <= 7
    assert not (place.folder / ".harness" / "adapters" / "current").exists()


@pytest.mark.full
def test_auto_leaves_out_what_cannot_be_had_and_goes_on_to_the_next_method(
    answered: Path, tmp_path: Path
) -> None:
    both = PAIRS.replace("method: dpo", "method: auto") + "\n" + REWARDS.splitlines()[1]
    _place, done, report = repaired(tmp_path / "project", answered, both)

    check_decision(done, report)
    assert report["rounds"][0]["method"] == "dpo"
    assert "sft was left out: no row is left to train on" in report["notes"]
    if len(report["rounds"]) == 2:  # the bars were not reached
        assert report["rounds"][1]["start"] == report["rounds"][0]["adapter"]
