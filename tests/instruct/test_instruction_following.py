"""The suite `instruction_following` decides truly on recorded answers."""

from __future__ import annotations

import pytest

from tests.instruct.proving import cases, proofs, prove, useless

SUITE = "instruction_following"


def test_every_case_has_recorded_answers() -> None:
    """Each case has at least one right and one wrong answer, and no answer is left over."""
    assert set(proofs(SUITE)) == set(cases(SUITE))


@pytest.mark.parametrize("name", proofs(SUITE))
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    case = cases(SUITE)[name]
    prove(case, proofs(SUITE)[name], useless(case))
