"""How long is waited before a request is sent again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.openai.replies import FIRST_WAIT, LONGEST_WAIT, back_off, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Saturday, 21-Nov-26 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after(header, NOW) == seconds


@given(st.text())
def test_no_header_breaks_the_reading(header: str) -> None:
    found = retry_after(header, NOW)

    assert found is None or found >= 0


@given(st.integers(min_value=1, max_value=10_000))
def test_waits_grow_up_to_a_limit(tries: int) -> None:
    wait = back_off(tries)

    assert FIRST_WAIT / 2 <= wait <= LONGEST_WAIT
    assert wait <= FIRST_WAIT * 2 ** min(tries, 20)
