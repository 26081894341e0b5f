"""A minute of `make fuzz`: the same first tries of every row, each in a process with limits."""

from __future__ import annotations

import sys

import pytest

from tests.hostile.fuzzing import TABLE
from tests.hostile.trying import Row, run

HEAVY = ("train.yaml", "chat template", "webhook")  # two load transformers, one runs nights


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process as Linux has them")
@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=pytest.mark.full if row.name in HEAVY else ()) for row in TABLE],
    ids=[row.name for row in TABLE],
)
def test_every_try_ends_with_a_message_or_a_result(row: Row) -> None:
    survived, faults, seconds = run(row, range(25))

    assert faults == []
    assert survived == len(seconds) == 25
