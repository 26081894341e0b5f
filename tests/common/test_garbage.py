"""The garbage collector is as it was, once the work is over."""

from __future__ import annotations

import gc

import pytest

from harness.common import no_collection, rare_collection
from harness.common.garbage import YOUNG


def test_it_is_off_for_a_while_and_stays_off_where_it_was() -> None:
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_looks_rarely_and_not_at_what_was_there() -> None:
    before = gc.get_threshold()

    with rare_collection():
        assert gc.get_threshold() == (max(YOUNG, before[0]), *before[1:])
        assert gc.get_freeze_count() > 0

    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_it_is_as_before_where_the_work_broke() -> None:
    before = gc.get_threshold()

    with pytest.raises(ValueError, match="broken"), rare_collection():
        raise ValueError("broken")

    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_it_stays_off_where_a_threshold_of_0_says_so() -> None:
    before = gc.get_threshold()
    gc.set_threshold(0, *before[1:])
    try:
        with rare_collection():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)
