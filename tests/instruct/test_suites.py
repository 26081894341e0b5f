"""What all suites for instruct models have in common."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.suites import load_suite, load_suites
from tests.instruct.proving import SUITES, cases

NAMES = [
    "instruction_following",
    "json_validity",
    "long_context",
    "multilingual",
    "refusal",
    "role_consistency",
    "tool_calling",
]
LANGUAGES = {"de", "es", "fr", "zh"}


@pytest.mark.parametrize("name", NAMES)
def test_suite_is_large_and_speaks_several_languages(name: str) -> None:
    """At least 60 cases, at least three languages besides English, failure modes in the text."""
    suite = load_suite(SUITES / f"{name}.yaml")
    tags = Counter(tag for case in suite.cases for tag in case.tags)
    assert len(suite.cases) >= 60
    assert len(LANGUAGES & set(tags)) >= 3
    assert tags["smoke"] == 6
    assert suite.category == name
    assert "Failure modes:" in suite.description
    assert suite.warnings == ()


@pytest.mark.parametrize("name", NAMES)
def test_every_turn_is_checked_and_cannot_run_on(name: str) -> None:
    """No turn is without a check, answers are greedy and bounded."""
    for case in cases(name).values():
        assert all(turn.checks for turn in case.turns)
        assert case.sampling.temperature == 0
        assert case.sampling.max_new_tokens <= 1024


def test_the_suites_load_together() -> None:
    """Ids are unique over all of them, so that one run takes all."""
    suites = load_suites([SUITES / f"{name}.yaml" for name in NAMES])
    assert len(suites) == len(NAMES)
