"""A replica: one of our backends in an actor of Ray's. Lines of JSON go in and come out.

What breaks is a line too: an exception of ours would not come back as it was.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from queue import Empty, SimpleQueue

from harness import __version__
from harness.backends.base import Backend
from harness.backends.registry import open_backend
from harness.backends.replicas.hello import HELLOS, HelloCommand, HelloEvent, installed_libraries
from harness.backends.workers import FRAMES, FailedEvent, GenerateCommand, broken, served


class Replica:
    """What Ray starts, under no rule of restart or retry: who lost it asks again elsewhere.

    In two threads of Ray's: `lines` has one to itself, as long as it lives.
    """

    threads = 2

    def __init__(self) -> None:
        self._backend: Backend | None = None
        self._asked: SimpleQueue[GenerateCommand] = SimpleQueue()
        self._said = self._answered()

    def hello(self, line: bytes) -> bytes:
        """Open the backend of a `HelloCommand`, load nothing, and say what it would answer with."""
        command = HELLOS.from_line(line)
        assert isinstance(command, HelloCommand)
        if command.threads:  # before torch is imported
            os.environ["OMP_NUM_THREADS"] = str(command.threads)
        import ray  # which has started this process

        options = command.options
        if options.cache_dir is not None and not options.cache_dir.is_dir():
            options = replace(options, cache_dir=None)  # another machine, without our folder
        try:
            backend = open_backend(command.backend, options)
            self._backend = backend
            variants = {variant.name: variant for variant in options.variants}
            said: HelloEvent | FailedEvent = HelloEvent(
                harness=__version__,
                node=ray.get_runtime_context().get_node_id(),
                host=socket.gethostname(),
                pid=os.getpid(),
                libraries=installed_libraries(),
                environments={n: backend.environment(v) for n, v in variants.items()},
                fingerprints={n: backend.fingerprint(v) for n, v in variants.items()},
            )
        except Exception as error:
            said = broken(error)
        return HELLOS.to_line(said)

    def ask(self, line: bytes) -> None:
        """Take a `GenerateCommand`; what comes of it is among the `lines`."""
        command = FRAMES.from_line(line)
        assert isinstance(command, GenerateCommand)
        self._asked.put(command)

    def lines(self, count: int) -> Iterator[bytes]:
        """Yield the next lines that it says, so many: Ray keeps something of each to the last."""
        for line in islice(self._said, count):  # noqa: UP028 - Ray sends to a generator
            yield line

    def _answered(self) -> Iterator[bytes]:
        """Answer all that is asked, for ever: an `AnswerEvent` each, and how the engine ran.

        What is asked while the engine works joins what it works on, where it can do that.
        """
        assert self._backend is not None
        while True:
            for frame in served(self._backend, self._asked.get(), self._next):
                yield FRAMES.to_line(frame)

    def _next(self) -> GenerateCommand | None:
        try:
            return self._asked.get_nowait()
        except Empty:
            return None

    def close(self) -> None:
        """Give the memory back, and end the processes that the engine has started."""
        if self._backend is not None:
            self._backend.close()
