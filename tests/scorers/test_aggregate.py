"""From findings to the outcome of a case."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scorers.check import Combined, combine


@dataclass(frozen=True)
class Found:
    """A finding with its weight."""

    passed: bool | None
    score: float
    weight: float = 1.0


_YES, _NO, _OPEN = Found(True, 1.0), Found(False, 0.0), Found(None, 0.0)


@pytest.mark.parametrize(
    ("found", "threshold", "expected"),
    [
        ([_YES, _YES], None, Combined(True, 1.0)),
        ([_YES, _NO], None, Combined(False, 0.5)),
        ([_YES, _OPEN], None, Combined(None, 0.5)),
        ([_NO, _OPEN], None, Combined(False, 0.0)),
        ([], None, Combined(None, 0.0)),
        ([], 0.0, Combined(None, 0.0)),
        ([_YES, _NO], 0.5, Combined(True, 0.5)),
        ([_YES, _OPEN], 0.6, Combined(False, 0.5)),
        ([Found(True, 1.0, 3), _NO], 0.75, Combined(True, 0.75)),
        ([Found(False, 0.7)] * 3, 0.7, Combined(True, 0.7)),
        ([Found(True, 0.9)], None, Combined(True, 0.9)),
        ([Found(None, 0.9)], 0.5, Combined(False, 0.0)),
    ],
)
def test_outcome(found: list[Found], threshold: float | None, expected: Combined) -> None:
    result = combine(found, threshold)

    assert result.passed is expected.passed
    assert result.score == pytest.approx(expected.score)


_FOUND = st.builds(
    Found,
    st.sampled_from([True, False, None]),
    st.floats(0, 1),
    st.floats(0.001, 1000),
)


@given(st.lists(_FOUND, min_size=1), st.one_of(st.none(), st.floats(0, 1)))
def test_order_does_not_matter_and_scores_stay_in_bounds(
    found: list[Found], threshold: float | None
) -> None:
    result = combine(found, threshold)

    assert 0 <= result.score <= 1
    assert combine(found[::-1], threshold) == result


@given(st.lists(_FOUND, min_size=1))
def test_one_failed_check_never_passes_without_a_threshold(found: list[Found]) -> None:
    assert combine([*found, _NO]).passed is False
