"""Where completions come from: the store, else the backend, driven from a thread of its own.

While the backend generates, the main thread commits what has arrived and scores it. All that has
arrived meanwhile is committed together: with an fsync of a few milliseconds, commits of single
answers would be slower than a fast engine. And an engine that hangs can be left: the main thread
waits with a limit, and the thread does not keep the process alive.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from harness.backends import Backend, Completion, Request
from harness.common import HarnessError, MachineryError, Problem
from harness.results import Completed, Note, Observer, Reused, Waiting
from harness.store import Entry, Store

THREAD = "engine"
GROUP = 512  # answers committed together at most: a hundredth of a second of work
AGAIN = "run the same command again: it goes on where this one stopped"

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
    """The engine has nothing left of so many portions; or it broke, and nothing comes any more."""

    portions: int = 0
    error: BaseException | None = None


class BackendThread:
    """Answers to requests as they arrive, while more are asked. Its thread starts with the first.

    What is asked meanwhile joins what the engine works on, where it can do that (`Backend.serve`).
    An engine that has nothing left waits until what it has answered is digested: what follows from
    it, and there may be much of it, is then answered in one portion.
    """

    def __init__(self, backend: Backend, limits: Limits) -> None:
        self._backend = backend
        self._limits = limits
        self._end_of_run = time.monotonic() + limits.run if limits.run else None
        self._asked: SimpleQueue[Sequence[Request] | None] = SimpleQueue()
        self._arrived: SimpleQueue[Answered | _End] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._portions = 0  # asked, and not said to be ended
        self._digestion = threading.Condition()
        self._made = self._taken = self._digested = 0  # answers
        self._error: BaseException | None = None

    @property
    def is_at_work(self) -> bool:
        """Return whether something that was asked may still be answered."""
        return self._portions > 0

    def ask(self, requests: Sequence[Request]) -> None:
        """Generate, from now on, beside what was asked before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name=THREAD)
            self._thread.start()
        self._portions += 1
        self._asked.put(requests)

    def receive(self, group: list[Answered]) -> None:
        """Wait for an answer, and add all that are there to the group, up to `GROUP` of them.

        It stays empty once nothing more comes of what was asked; those before it are digested.
        Raises MachineryError when the engine breaks, hangs or runs out of time.
        """
        with self._digestion:
            self._digested = self._taken
            self._digestion.notify()
        while self._error is None and self._portions and len(group) < GROUP:
            if group and self._arrived.empty():
                return
            item = self._wait()
            if isinstance(item, _End):
                self._portions -= item.portions
                self._error = item.error
            else:
                group.append(item)
                self._taken += 1
        if self._error is None or group:
            return
        if isinstance(self._error, HarnessError):
            raise self._error
        found = f"{type(self._error).__name__}: {self._error}"
        what = f"the engine {self._backend.name!r} broke"
        raise MachineryError(Problem(what, found=found, hint=AGAIN)) from self._error

    def stop(self) -> list[Answered]:
        """End the thread at the next answer, and give back what has arrived but was not taken."""
        with self._digestion:
            self._stopping.set()
            self._digestion.notify()
        self._asked.put(None)
        if self._thread is not None:
            self._thread.join(self._limits.grace)
            self._thread = None
        self._portions = 0
        rest: list[Answered] = []
        while not self._arrived.empty():
            item = self._arrived.get()
            if not isinstance(item, _End):
                rest.append(item)
        return rest

    def _work(self) -> None:
        while (portion := self._asked.get()) is not None:
            try:
                end = _End(self._served(portion))
            except BaseException as error:
                end = _End(error=error)
            self._arrived.put(end)
            if end.error is not None:
                return

    def _served(self, first: Sequence[Request]) -> int:
        """Answer a portion and those that come meanwhile; return how many there were."""
        portions, handed, at_work = [first], 0, 0  # asked; how many given; answers that are owed

        def more() -> list[Request]:
            nonlocal handed, at_work
            if not at_work:
                with self._digestion:
                    self._digestion.wait_for(
                        lambda: self._stopping.is_set() or self._digested == self._made
                    )
            with suppress(Empty):
                while not self._stopping.is_set():
                    if (portion := self._asked.get_nowait()) is None:
                        self._asked.put(None)  # for whoever waits for the next portion
                        break
                    portions.append(portion)
            requests = [request for portion in portions for request in portion]
            handed += len(portions)
            at_work += len(requests)
            portions.clear()
            return requests

        for answered in self._backend.serve(more):
            at_work -= 1
            self._made += 1
            self._arrived.put(answered)
            if self._stopping.is_set():
                break
        return handed

    def _wait(self) -> Answered | _End:
        patience = self._limits.silence
        if self._end_of_run is not None:
            patience = min(patience, self._end_of_run - time.monotonic())
        try:
            if patience > 0:
                return self._arrived.get(timeout=patience)
        except Empty:
            pass
        if self._end_of_run is not None and time.monotonic() >= self._end_of_run:
            message = f"the run's time limit of {self._limits.run:g} s is over"
        else:
            silence = f"{self._limits.silence:g} s"
            message = f"the engine {self._backend.name!r} gave no sign of life for {silence}"
        raise MachineryError(Problem(message, hint=AGAIN))


class CompletionSource:
    """Gives answers, and counts them. `broken` says what broke the engine, if anything did."""

    def __init__(self, backend: Backend, store: Store, observer: Observer, limits: Limits) -> None:
        self._backend = backend
        self._store = store
        self._observer = observer
        self._thread = BackendThread(backend, limits)
        self._in_hand: list[Answered] = []
        self.generated = 0
        self.cached = 0
        self.tokens = 0
        self.broken: MachineryError | None = None

    def stored(self, requests: Sequence[Request]) -> dict[str, Completion]:
        """Return the answers that are there already, by key."""
        return self._store.completions(request.key for request in requests)

    def reuse(self, count: int) -> None:
        """Count answers that nothing was generated for."""
        self.cached += count
        if count:
            self._observer(Reused(count))

    @property
    def is_at_work(self) -> bool:
        """Return whether something that was asked may still be answered."""
        return self.broken is None and self._thread.is_at_work

    def ask(self, requests: Sequence[Request]) -> None:
        """Generate, from now on, beside what was asked before; not once the engine has broken."""
        if not requests or self.broken is not None:
            return
        if not self._thread.is_at_work and (reason := self._backend.waiting(requests)):
            self._observer(Waiting(reason))
        self._thread.ask(requests)

    def made(self) -> list[tuple[str, Completion]]:
        """Wait for answers; return those that are there, by key, each on disk by then.

        They are empty once nothing more comes.
        """
        if self.broken is not None:
            return []
        self._in_hand = []
        try:
            self._thread.receive(self._in_hand)
        except MachineryError as error:
            self.broken = error
            self._observer(Note(str(error)))
            self._in_hand = self._thread.stop()
        return self._keep(self._in_hand)

    def all_of(self, requests: Sequence[Request]) -> dict[str, Completion]:
        """Return the answers to all of these by key, stored or made now, and stop.

        Those that never came, as the engine broke, are not in it.
        """
        try:
            every = {request.key: request for request in requests}
            found = self.stored(list(every.values()))
            missing = [request for key, request in every.items() if key not in found]
            self.reuse(len(requests) - len(missing))
            self.ask(missing)
            while group := self.made():
                found.update(group)
        finally:
            self.stop()
        return found

    def stop(self) -> None:
        """Keep what has arrived. The store may be what broke: then that is what is reported."""
        with suppress(HarnessError):
            self._keep([*self._in_hand, *self._thread.stop()])

    def _keep(self, group: list[Answered]) -> list[tuple[str, Completion]]:
        """Commit answers, then report them. An error is no answer: it is asked for again."""
        if not group:
            return []
        answers = {request.key: completion for request, completion in group}
        entries = []
        for request, completion in group:
            if not completion.error and completion.finish_reason != "error":
                of = request.variant
                origin = {**request.address.as_json(), "model": of.model, "adapter": of.adapter}
                entries.append(Entry(request.key, completion, origin))
        kept = self._store.put_many(entries)
        self._in_hand = []  # not before: an interrupt may come in between
        answers.update((entry.key, answer) for entry, answer in zip(entries, kept, strict=True))
        tokens = sum(completion.completion_tokens for completion in kept)
        self.generated += len(entries)
        self.tokens += tokens
        self._observer(Completed(len(answers), tokens))
        return list(answers.items())


def at_work() -> bool:
    """Return whether an engine of this process still works in its thread."""
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
