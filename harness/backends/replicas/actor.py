"""A replica: one of our backends in an actor of Ray's. Lines of JSON go in and come out.

What breaks is a line too: an exception of ours would not come back as it was.
"""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Iterator
from dataclasses import replace

from harness import __version__
from harness.backends.base import Backend
from harness.backends.registry import open_backend
from harness.backends.replicas.hello import HELLOS, HelloCommand, HelloEvent, installed_libraries
from harness.backends.workers import (
    FRAMES,
    AnswerEvent,
    DoneEvent,
    FailedEvent,
    Frame,
    GenerateCommand,
)
from harness.common import HarnessError, MachineryError, Problem


class Replica:
    """What Ray starts, under no rule of restart or retry: who lost it asks again elsewhere."""

    def __init__(self) -> None:
        self._backend: Backend | None = None

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
        except HarnessError as error:
            said = FailedEvent.of(error)
        except Exception as error:
            said = _broken(error)
        return HELLOS.to_line(said)

    def answer(self, line: bytes) -> Iterator[bytes]:
        """Answer a `GenerateCommand`: an `AnswerEvent` for each request, then how it ended."""
        command = FRAMES.from_line(line)
        assert isinstance(command, GenerateCommand) and self._backend is not None
        last: Frame
        try:
            self._backend.expect(max(command.expected, len(command.requests)))
            for request, completion in self._backend.generate(command.requests):
                yield FRAMES.to_line(AnswerEvent(request.key, completion))
            last = DoneEvent(self._backend.notes, dict(self._backend.execution()))
        except HarnessError as error:
            traceback.print_exc()  # into Ray's log of this process
            last = FailedEvent.of(error)
        except Exception as error:
            last = _broken(error)
        yield FRAMES.to_line(last)

    def close(self) -> None:
        """Give the memory back, and end the processes that the engine has started."""
        if self._backend is not None:
            self._backend.close()


def _broken(error: Exception) -> FailedEvent:
    traceback.print_exc()
    found = f"{type(error).__name__}: {error}"
    return FailedEvent.of(MachineryError(Problem("the engine broke", found=found)))
