"""Tests of the exit code: that of the worst verdict, in the order of the run's own."""

from __future__ import annotations

from itertools import combinations

import pytest

from harness.evaluation import exit_code
from harness.results import Verdict

WORST_FIRST = (
    (Verdict.ERROR, 3),
    (Verdict.REGRESSED, 1),
    (Verdict.BELOW_THRESHOLD, 1),
    (Verdict.INCONCLUSIVE, 4),
    (Verdict.PASS, 0),
)


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([verdict for verdict, _ in some], some[0][1])
        for size in range(1, len(WORST_FIRST) + 1)
        for some in combinations(WORST_FIRST, size)
    ],
)
def test_the_worst_verdict_decides(verdicts: list[Verdict], code: int) -> None:
    assert exit_code(verdicts) == exit_code(reversed(verdicts)) == code


def test_nothing_judged_is_a_success_and_broken_machinery_is_not() -> None:
    assert exit_code([]) == 0
    assert exit_code([Verdict.REGRESSED], broken=True) == exit_code([], broken=True) == 3
