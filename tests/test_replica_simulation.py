"""The model of replicas agrees with processes that are really killed, and loses nothing."""

from __future__ import annotations

import pytest

from bench.replica_simulation import World, calibrated, measure, simulate, small_worlds


def test_one_replica_takes_its_start_and_its_work() -> None:
    found = simulate(World((0.5,) * 10, (2.0,), 3.0))
    assert found.seconds == pytest.approx(3.0 + 10 * 0.5 * 2.0)
    assert found.answered == 10


def test_a_slow_replica_holds_up_the_end_by_less_than_an_equal_share_would() -> None:
    found = simulate(World((0.01,) * 400, (1.0, 1.0, 1.0, 4.0), 0.0))
    assert 400 * 0.01 / 3.25 <= found.seconds < 100 * 0.01 * 4.0


def test_a_kill_costs_the_request_at_work_and_a_start() -> None:
    found = simulate(World((1.0,) * 10, (1.0,), 2.0, ((5.5, 0),)))
    assert found == type(found)(seconds=5.5 + 2.0 + 7.0, answered=10, again=1)


def test_the_model_agrees_with_processes_within_a_tenth() -> None:
    worlds = calibrated(small_worlds())
    for name in ("four, one killed", "four, one slow, two killed"):
        found = measure(worlds[name])
        assert found.answered == len(worlds[name].requests)
        assert simulate(worlds[name]).seconds == pytest.approx(found.seconds, rel=0.1)
