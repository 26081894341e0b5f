"""When a growing reward is not to be trusted, and which answers with rewards are learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends import Completion
from harness.common import InputError, Message, RewardSettings, Variant
from harness.config import Settings
from harness.evaluation import Transcript, Trial, score_trial
from harness.results import Result
from harness.suites import Suite, load_suite
from harness.training.repair.rewards import (
    Look,
    Watched,
    engine_of,
    hacked,
    rollouts_of,
    watched,
)

GAP = 0.15
FIRST = Watched(0.5, 0.5, 0.4, 0.9, same=0.05, answer="abc")


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (replace(FIRST, reward=0.9, fresh_reward=0.88, fresh_passed=0.8), ""),
        (replace(FIRST, reward=0.6, fresh_reward=0.5, fresh_passed=0.4), ""),
        (
            replace(FIRST, reward=0.9, fresh_reward=0.6, fresh_passed=0.8),
            "the reward is hacked: it gained +0.40 on training prompts (0.50 → 0.90), and the "
            "reward on fresh prompts +0.10 (0.50 → 0.60)",
        ),
        (
            replace(FIRST, reward=0.9, fresh_reward=0.9, fresh_passed=0.45),
            "the reward is hacked: it gained +0.40 on training prompts (0.50 → 0.90), and the "
            "pass rate on fresh prompts +0.05 (0.40 → 0.45)",
        ),
        (
            replace(FIRST, reward=0.9, fresh_reward=0.9, fresh_passed=0.9, others=0.6),
            "the reward is hacked: it gained +0.40, and other suites fell from 90% to 60%",
        ),
        (
            replace(
                FIRST, reward=0.9, fresh_reward=0.9, fresh_passed=0.9, same=0.7, answer="ok",
                by=("words",),
            ),
            "the reward is hacked: 70% of the fresh prompts get one answer, 'ok', and it passes "
            "words (5% before)",
        ),
        (
            replace(FIRST, reward=0.1, fresh_reward=0.1, fresh_passed=0.1, others=0.5),
            "the model got worse: the reward went from 0.50 to 0.10, and other suites fell from "
            "90% to 50%: lower the learning rate",
        ),
        (
            replace(FIRST, reward=0.4, fresh_reward=0.1, fresh_passed=0.3),
            "the model got worse: the reward on training prompts went from 0.50 to 0.40, the "
            "reward on fresh prompts from 0.50 to 0.10: lower the learning rate",
        ),
        (
            replace(FIRST, reward=0.1, fresh_reward=0.1, fresh_passed=0.0, same=1.0, answer="ooo"),
            "the answers have collapsed: 100% of the fresh prompts get one answer, 'ooo', which "
            "passes no check (5% before); the reward went from 0.50 to 0.10: lower the learning "
            "rate",
        ),
    ],
)  # fmt: skip
def test_a_gap_that_widens_is_named(now: Watched, told: str) -> None:
    assert hacked(FIRST, FIRST, now, GAP) == told


def test_a_gap_that_no_longer_widens_is_not_named_again() -> None:
    wide = replace(FIRST, reward=0.9, fresh_reward=0.6, fresh_passed=0.8)

    assert hacked(FIRST, wide, replace(wide, reward=0.88), GAP) == ""


def test_a_gap_that_was_there_from_the_beginning_is_no_sign() -> None:
    first = replace(FIRST, reward=0.9, fresh_reward=0.5)

    assert hacked(first, first, replace(first, reward=0.95, fresh_reward=0.55), GAP) == ""


# -- answers ---------------------------------------------------------------------------------------

SUITE = """\
suite: s
category: c
cases:
  - {id: a, user: Name a colour., checks: [{contains: red}, lowercase]}
  - {id: b, user: Name another., checks: [{contains: green}, lowercase]}
  - {id: fresh, user: And one more., checks: [{contains: blue}, lowercase]}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "s.yaml").write_text(SUITE)
    return load_suite(tmp_path / "s.yaml")


def scored(suite: Suite, answers: Sequence[Sequence[str]]) -> tuple[Result, ...]:
    """Answers to each case, scored by its checks."""
    found = []
    for case, texts in zip(suite.cases, answers, strict=False):
        for repeat, text in enumerate(texts):
            trial = Trial(case, Variant("v", "m"), repeat)
            said = Transcript((Message("user", case.turns[0].user),), (Completion(text, "stop"),))
            found.append(score_trial(trial, said))
    return tuple(found)


def test_an_advantage_is_the_distance_to_the_other_answers_to_the_prompt(suite: Suite) -> None:
    results = scored(suite, [("red", "RED", "no", "red"), ("green", "green")])
    found, left = rollouts_of(results, binary=False)

    assert [(one.answer, one.reward) for one in found] == [
        ("red", 1.0), ("RED", 0.0), ("no", 0.5), ("red", 1.0),
    ]  # fmt: skip
    assert sum(one.advantage for one in found) == pytest.approx(0, abs=1e-5)
    assert left == {"no answer is better than another to the same prompt": 2}


def test_a_reward_that_is_constant(suite: Suite) -> None:
    with pytest.raises(InputError) as caught:
        rollouts_of(scored(suite, [("red", "red"), ("no", "not")]), binary=False)

    assert str(caught.value) == (
        "the reward is constant: no answer is better than another to the same prompt\n"
        "  found: 4 answers to 2 prompts, scores 0.5, 1\n"
        "  hint: raise fix: {rewards: {samples, temperature}}, add checks that grade, or begin "
        "with method: sft or dpo"
    )


def test_checks_that_only_pass_or_fail(suite: Suite) -> None:
    first = replace(suite.cases[0].turns[0], checks=suite.cases[0].turns[0].checks[:1])
    plain = replace(suite, cases=(replace(suite.cases[0], turns=(first,)),))
    results = scored(plain, [("red", "no")])
    with pytest.raises(InputError) as caught:
        rollouts_of(results, binary=False)

    assert str(caught.value) == (
        "grpo: the checks do not grade, they only pass or fail\n"
        "  found: 1 prompt of s, all scores are 0 or 1\n"
        "  hint: give each case several checks, or one that grades (json_value, chrf, similarity); "
        "learn from pairs with method: dpo; or say fix: {rewards: {binary: true}}"
    )
    assert len(rollouts_of(results, binary=True)[0]) == 2


def test_one_answer_to_many_prompts_is_seen_with_the_checks_that_it_passes(suite: Suite) -> None:
    results = scored(suite, [("red", "no"), ("ok", "ok", "ok", "blue"), ("blue", "ok")])
    looked = watched(Look(results[:2], results[2:], ()))

    assert looked.reward == 0.75
    assert looked.fresh_reward == pytest.approx(3.5 / 6, abs=1e-5)
    assert looked.fresh_passed == pytest.approx(1 / 6, abs=1e-5)
    assert (looked.same, looked.answer, looked.by) == (1.0, "ok", ("lowercase",))
    assert looked.others is None


def test_vllm_that_is_asked_for_and_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.training.repair.rewards.find_spec", lambda name: None)
    with pytest.raises(InputError) as caught:
        engine_of(Settings(), RewardSettings(engine="vllm"))

    assert str(caught.value) == (
        "rewards: vLLM is asked for, and it is not installed\n"
        "  found: fix: {rewards: {engine: vllm}}\n"
        "  hint: pip install 'lora-regression-harness[vllm]', or say engine: auto"
    )
    assert engine_of(Settings(backend="hf"), RewardSettings(engine="hf")).backend == "hf"
