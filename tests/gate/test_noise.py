"""The noise floor of a model that is run twice."""

from __future__ import annotations

import pytest

from harness.gate import noise_floor
from harness.gate.statistics import wilson
from tests.gate.hand_made import result, rows


def test_the_flip_rate_is_the_share_of_cases_that_differ() -> None:
    (floor,) = noise_floor(rows("PPPPPPPPFF"), rows("PPPPPPPFPF"))

    assert (floor.suite, floor.variant, floor.pairs, floor.left_out) == ("s", "new", 10, 0)
    assert floor.flip_rate == pytest.approx(0.2)
    assert (floor.low, floor.high) == pytest.approx(wilson(2, 10))
    assert floor.flaky == ("c007", "c008")


def test_with_repeats_every_answer_of_one_run_meets_every_answer_of_the_other() -> None:
    (floor,) = noise_floor(rows(["PPPP", "PPFF"]), rows(["PPPP", "PPFF"]))

    assert floor.flip_rate == pytest.approx(0.25)
    assert floor.flaky == ("c001",)


def test_errors_skips_and_cases_of_one_run_only_are_left_out() -> None:
    (floor,) = noise_floor(rows("PESP"), rows("PPP"))

    assert (floor.pairs, floor.left_out, floor.flip_rate) == (1, 3, 0.0)


def test_a_case_that_was_asked_differently_is_left_out() -> None:
    (floor,) = noise_floor([result("a", case_hash="x")], [result("a", case_hash="y")])

    assert (floor.pairs, floor.left_out, floor.low, floor.high) == (0, 1, 0.0, 1.0)
