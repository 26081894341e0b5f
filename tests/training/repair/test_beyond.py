"""Repairs of the embedded model beyond right answers: by pairs, and by checks that reward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.repair.letters import COLOURS, HELPFUL, LOOPHOLE, colours, new_letters, requests
from tests.training.repair.workplace import Done, Workplace

pytestmark = pytest.mark.slow

PAIRS = """\
  method: dpo
  pairs: {pools: [data/pairs_of_colours.jsonl]}
  train: {batch_size: 8, max_steps: 12, dpo: {learning_rate: 0.001, sft: 1.0}}"""
GENERATE = "  generate: {seeds: 0, rows: {data/cases.jsonl: data/prompts.jsonl}}\n"
REWARDS = """\
  method: grpo
  rewards: {samples: 8, prompts: 12, updates: 2, fresh: 8, others: 4, gap: 0.5}
  train: {batch_size: 16, grpo: {learning_rate: 0.002}}"""
HACKED = """\
  method: grpo
  rewards: {samples: 8, prompts: 12, updates: 6, fresh: 12, others: 8}
  train: {batch_size: 16, grpo: {learning_rate: 0.002}}"""


def failing(folder: Path, store: Path, fix: str, **said: Any) -> Workplace:
    """A project whose run has failed; `store` brings the answers to `refusal` along."""
    place = new_letters(folder / "project", fix, store, **said)
    done = place.here("run")
    assert done.code == 1, done.out
    return place


def repaired(place: Workplace) -> tuple[Done, dict[str, Any], dict[str, Any]]:
    """Repair what failed; return the report, and the manifest of the first round's adapter."""
    done = place.here("fix")
    assert done.code in (0, 1), done.out
    report = place.report()
    path = place.folder / report["rounds"][0]["adapter"] / "manifest.json"
    return done, report, json.loads(path.read_text(encoding="utf-8"))


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


def test_pairs_of_a_good_and_a_bad_answer_repair_a_suite(answered: Path, tmp_path: Path) -> None:
    place = failing(
        tmp_path, answered, PAIRS, checks=COLOURS, make=colours, cases=40, temperature=0
    )
    done, report, manifest = repaired(place)
    (made,) = report["rounds"]
    told = made["lessons"]

    check_decision(done, report)
    assert (made["method"], made["replay"]) == ("dpo", 0)
    assert made["teaching"] == 64
    assert 0.5 < told["chosen_tokens"] / told["rejected_tokens"] < 2.0
    assert told["margin"] > 0
    assert made["guard"]["read"] == 2 * made["cleaning"]["kept"]  # both sides
    assert manifest["guard"] == made["guard"]
    assert manifest["data"]["pairs"]["chosen_tokens"] == told["chosen_tokens"]
    (letters,) = (row for row in report["suites"] if row["suite"] == "letters")
    assert letters["after"] > letters["before"]
    assert done.code == 0, done.out


def test_the_checks_as_rewards_raise_a_graded_suite(answered: Path, tmp_path: Path) -> None:
    place = failing(tmp_path, answered, GENERATE + REWARDS, checks=HELPFUL, make=requests, bar=0.7)
    done, report, manifest = repaired(place)
    (made,) = report["rounds"]
    looks = made["lessons"]["rewards"]

    check_decision(done, report)
    assert made["method"] == "grpo"
    assert len(looks) >= 2  # once all answers score the same, there is nothing left to learn
    assert looks[-1]["reward"] > looks[0]["reward"] + 0.1
    assert looks[-1]["fresh_reward"] > looks[0]["fresh_reward"]
    assert made["stopped"] == ""
    (letters,) = (row for row in report["suites"] if row["suite"] == "letters")
    assert letters["after"] > letters["before"]
    assert manifest["data"]["rewards"]["prompts"] > 0
    assert "on fresh prompts" in done.out


@pytest.mark.full
def test_a_reward_with_a_loophole_is_stopped_and_named(answered: Path, tmp_path: Path) -> None:
    place = failing(tmp_path, answered, GENERATE + HACKED, checks=LOOPHOLE, make=requests, bar=0.95)
    done, report, _manifest = repaired(place)
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
    auto = PAIRS.replace("method: dpo", "method: auto")
    place = failing(tmp_path, answered, auto, checks=COLOURS, make=colours, cases=40, temperature=0)
    done, report, _manifest = repaired(place)

    check_decision(done, report)
    assert report["rounds"][0]["method"] == "dpo"
    assert "sft was left out: no row is left to train on" in report["notes"]
    assert all(made["method"] != "grpo" for made in report["rounds"])  # it has no prompts
