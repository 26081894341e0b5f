"""A time limit for code that is not ours: a user's check that never ends must not hold the run.

On Unix the main thread is interrupted by a timer signal. That ends Python loops, sleeps and a
runaway pattern of `re`, which holds the interpreter's lock and which no other thread could stop.
Elsewhere (Windows, another thread) the code runs in a thread that is left behind when it is late;
that ends everything but C code that keeps the lock.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Overrun(BaseException):
    """The time is over. Not an `Exception`, so that no broad `except` keeps it from ending."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns; raises `Overrun` when it takes longer than `seconds`."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _timed(seconds, work)
    return _in_thread(seconds, work)


def _timed(seconds: float, work: Callable[[], T]) -> T:
    """With a timer; one that was running before (pytest's, say) goes on afterwards."""
    armed = True

    def ring(number: int, frame: FrameType | None) -> None:
        if armed:
            raise Overrun

    before = signal.signal(signal.SIGALRM, ring)
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            return work()
        finally:
            armed = False
    finally:  # even when the timer rang between the end of the work and the line above
        left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
        signal.signal(signal.SIGALRM, before)
        if rest:
            elapsed = seconds - left
            signal.setitimer(signal.ITIMER_REAL, max(rest - elapsed, 1e-6), interval)


def _in_thread(seconds: float, work: Callable[[], T]) -> T:
    answers: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, daemon=True, name="check")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise Overrun
    if errors:
        raise errors[0]
    return answers[0]
