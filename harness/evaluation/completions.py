"""A backend, driven from a thread of its own.

While it generates, the main thread commits what has arrived and scores it. All that has arrived
meanwhile is committed together: with an fsync of a few milliseconds, commits of single answers
would be slower than a fast engine. And an engine that hangs can be left: the main thread waits
with a limit, and the thread does not keep the process alive.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from harness.backends import Backend, Completion, Request
from harness.common import HarnessError, MachineryError, Problem

THREAD = "engine"
GROUP = 512  # answers committed together at most: a hundredth of a second of work

Answered = tuple[Request, Completion]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a run, an engine without a sign of life and a check may take.

    `silence`: loading a large model over a slow disk gives no answer for many minutes. `grace`:
    an engine that is told to stop may finish the batch it is in. `check`: the slowest honest
    check loads a model on its first use.
    """

    run: float | None = None
    silence: float = 3600.0
    grace: float = 10.0
    check: float = 30.0


@dataclass(frozen=True, slots=True)
class _End:
    """The last thing that a job says."""

    error: BaseException | None = None


class Engine:
    """Answers to requests, in groups, as they arrive. The thread starts with the first request."""

    def __init__(self, backend: Backend, limits: Limits) -> None:
        self._backend = backend
        self._limits = limits
        self._end_of_run = time.monotonic() + limits.run if limits.run else None
        self._jobs: SimpleQueue[Sequence[Request] | None] = SimpleQueue()
        self._arrived: SimpleQueue[Answered | _End] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def answers(self, requests: Sequence[Request]) -> Iterator[list[Answered]]:
        """Generate, from now on; who iterates over the groups sees MachineryError when the engine
        breaks, hangs or runs out of time.
        """
        self._start()
        self._jobs.put(requests)
        return self._groups()

    def _groups(self) -> Iterator[list[Answered]]:
        end: _End | None = None
        while end is None:
            group, end = self._group()
            if group:
                yield group
        if end.error is not None:
            raise _broken(self._backend.name, end.error) from end.error

    def stop(self) -> list[Answered]:
        """End the thread at the next answer, and give back what has arrived but was not taken."""
        self._stopping.set()
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(self._limits.grace)
            self._thread = None
        rest: list[Answered] = []
        while not self._arrived.empty():
            item = self._arrived.get()
            if not isinstance(item, _End):
                rest.append(item)
        return rest

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name=THREAD)
            self._thread.start()

    def _work(self) -> None:
        while (requests := self._jobs.get()) is not None:
            try:
                for answered in self._backend.generate(requests):
                    self._arrived.put(answered)
                    if self._stopping.is_set():
                        break
            except BaseException as error:
                self._arrived.put(_End(error))
            else:
                self._arrived.put(_End())

    def _group(self) -> tuple[list[Answered], _End | None]:
        """Wait for an answer, then take all that are there."""
        group: list[Answered] = []
        item = self._wait()
        while not isinstance(item, _End):
            group.append(item)
            if len(group) == GROUP or self._arrived.empty():
                return group, None
            item = self._arrived.get()
        return group, item

    def _wait(self) -> Answered | _End:
        try:
            return self._arrived.get(timeout=self._patience())
        except Empty:
            raise self._late() from None

    def _patience(self) -> float:
        if self._end_of_run is None:
            return self._limits.silence
        left = self._end_of_run - time.monotonic()
        if left <= 0:
            raise self._late()
        return min(self._limits.silence, left)

    def _late(self) -> MachineryError:
        over = self._end_of_run is not None and time.monotonic() >= self._end_of_run
        limit = f"{self._limits.run if over else self._limits.silence:g} s"
        message = (
            f"the run's time limit of {limit} is over"
            if over
            else f"the engine {self._backend.name!r} gave no sign of life for {limit}"
        )
        hint = "run the same command again: it goes on where this one stopped"
        return MachineryError(Problem(message, hint=hint))


def _broken(name: str, error: BaseException) -> HarnessError:
    if isinstance(error, HarnessError):
        return error
    found = f"{type(error).__name__}: {error}"
    hint = "run the same command again: it goes on where this one stopped"
    return MachineryError(Problem(f"the engine {name!r} broke", found=found, hint=hint))


def at_work() -> bool:
    """Whether an engine of this process still works in its thread."""
    return any(thread.name == THREAD and thread.daemon for thread in threading.enumerate())


def leave_now(code: int) -> None:
    """End the process here: for a program that is done while an engine is still at work.

    Python ends such a thread from inside, and C++ answers that with an abort ("terminate called
    without an active exception"). What was reported as done is on the disk by then.
    """
    streams: tuple[Any, ...] = (sys.stdout, sys.stderr)
    for stream in streams:
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
