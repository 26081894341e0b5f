"""How many tokens two prompts begin with alike."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.backends.base import common_prefix

PROMPTS = st.lists(st.integers(0, 2), max_size=12)


@given(PROMPTS, PROMPTS)
def test_what_is_shared_is_the_longest_common_beginning(one: list[int], other: list[int]) -> None:
    count = common_prefix(one, other)

    assert one[:count] == other[:count]
    assert one[count : count + 1] != other[count : count + 1] or len(one) == len(other) == count
