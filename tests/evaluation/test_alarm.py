"""A time limit ends what never would, and leaves everything else alone."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

import pytest

from harness.evaluation.scoring import Alarm, Overrun

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """What one piece of work returns."""
    with Alarm(seconds) as alarm:
        return alarm.within(work)


def spin() -> None:
    """A loop that catches all it can."""
    while True:
        try:
            time.sleep(0.001)
        except Exception:
            continue


def backtrack() -> None:
    """A pattern that runs for ages inside C code."""
    re.match(r"(a+)+$", "a" * 40 + "b")


@pytest.mark.parametrize("work", [spin, backtrack, lambda: time.sleep(60)])
def test_work_that_is_late_is_ended(work: object) -> None:
    with pytest.raises(Overrun):
        within(0.1, work)  # type: ignore[arg-type]


def test_the_value_and_the_error_of_work_come_through() -> None:
    assert within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)


def test_no_alarm_is_left_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    within(0.05, lambda: None)
    time.sleep(0.1)

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_timer_that_ran_before_goes_on() -> None:
    """pytest-timeout, for one, has a timer of its own."""
    rung: list[int] = []

    def ring(number: int, frame: FrameType | None) -> None:
        rung.append(number)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.15)
        within(5, lambda: time.sleep(0.05))
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.11
        time.sleep(0.2)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert rung == [signal.SIGALRM]


def test_one_alarm_limits_each_piece_of_work_anew() -> None:
    with Alarm(0.2) as alarm:
        for _ in range(3):
            alarm.within(lambda: time.sleep(0.1))
        with pytest.raises(Overrun):
            alarm.within(spin)
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        assert alarm.within(lambda: 3) == 3


def test_another_thread_has_the_limit_too() -> None:
    said: list[object] = []

    def work() -> None:
        said.append(within(5, lambda: 3))
        for task in (lambda: time.sleep(1), lambda: 1 // 0):
            try:
                within(0.1, task)
            except (Overrun, ZeroDivisionError) as error:
                said.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert said == [3, Overrun, ZeroDivisionError]
