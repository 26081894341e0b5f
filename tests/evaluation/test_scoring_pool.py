"""Scoring in several processes: the same scores, in the same order, under the same limits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

import tests.evaluation.checks  # noqa: F401
from harness.backends import Completion
from harness.common import Message
from harness.evaluation import Plan, Transcript, Trial
from harness.evaluation.scoring import ScoreResult
from harness.evaluation.scoring_pool import CHUNK, FEWEST, GROUP, ScoringPool, usable_processes
from harness.results import Outcome
from tests.evaluation.worlds import BASE, case

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")


@pytest.fixture(autouse=True)
def without_torch() -> None:
    """No process is forked beside torch's threads; test_forking.py runs all this without it."""
    if "torch" in sys.modules:
        pytest.skip("torch was imported by another test")


def scores(
    checks: list[object], processes: int, seconds: float = 5.0, worth: float = 0.0
) -> list[ScoreResult]:
    """The scores of answers to cases with these checks, each saying its number."""
    trials = tuple(
        Trial(case(f"c{n}", check=check), BASE, 0, position=2 * n) for n, check in enumerate(checks)
    )
    jobs = [
        (trial, Transcript((Message("user", "?"),), (Completion(f"say {n}", "stop"),)))
        for n, trial in enumerate(trials)
    ]
    pool = ScoringPool(Plan(trials), seconds, processes, worth)
    try:
        return list(pool.scores(jobs))
    finally:
        pool.stop()


def mixed(count: int) -> Iterator[object]:
    """Checks that pass, fail, cannot tell and break."""
    for n in range(count):
        yield [{"contains": str(n)}, {"contains": "x"}, "test_unsure", "test_raising"][n % 4]


def test_several_processes_score_as_one_does() -> None:
    checks = list(mixed(3 * GROUP + 1))

    assert scores(checks, processes=3) == scores(checks, processes=1)


def test_a_check_that_never_ends_is_ended_in_a_worker_too() -> None:
    checks: list[object] = ["test_runaway", "test_runaway", *mixed(GROUP)]

    found = scores(checks, processes=2, seconds=0.2)

    late = "check 'test_runaway' took longer than 0.2 s and was ended"
    assert [score.reason for score in found[:2]] == [late, late]
    assert [score.outcome for score in found[2:6]] == [
        Outcome.FAIL,
        Outcome.FAIL,
        Outcome.FAIL,
        Outcome.ERROR,
    ]


def test_what_a_dying_worker_had_is_an_error_and_never_a_pass() -> None:
    dying: list[object] = [{"test_dying": {"pid": os.getpid()}}] * 2

    found = scores([*mixed(GROUP), *dying, *mixed(4 * CHUNK)], processes=2)

    assert len(found) == GROUP + 2 + 4 * CHUNK
    assert found[GROUP].checks[0].reason == "it was scored in the process of the tests"
    assert found[GROUP + 1] == ScoreResult(Outcome.ERROR, 0.0, "a process that scored answers died")


def test_a_new_check_is_used_here_before_workers_use_it() -> None:
    new: object = {"test_dying": {"pid": os.getpid()}}

    found = scores([*mixed(GROUP), new], processes=2)

    assert found[GROUP].outcome is Outcome.PASS


def test_cheap_checks_stay_in_this_process() -> None:
    spared: list[object] = [{"test_dying": {"pid": os.getpid()}}] * (2 * GROUP)

    found = scores(spared, processes=2, worth=60.0)

    assert {score.outcome for score in found} == {Outcome.PASS}


def test_small_runs_are_scored_in_one_process() -> None:
    assert usable_processes(FEWEST - 1) == 1
    assert usable_processes(FEWEST) == min(16, len(os.sched_getaffinity(0)))
