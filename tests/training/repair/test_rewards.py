"""When a growing reward is not to be trusted, and which answers with rewards are learned from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.training.repair.rewards import Watched, hacked

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
