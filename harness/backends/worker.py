"""An engine in a process of its own: `python -m harness.backends.worker`, started by `children`.

Commands come in on standard input, answers go out on what was standard output; what libraries
print goes to standard error, which is a log. When the parent is gone, however it ended, this
process and all that it started end at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import BinaryIO

from harness.backends.base import Backend, announce
from harness.backends.registry import open_here
from harness.backends.workers import (
    Answer,
    Close,
    Done,
    Failed,
    Frame,
    Generate,
    Open,
    from_line,
    to_line,
)
from harness.common import HarnessError, MachineryError, Problem

ORPHAN_CHECK = (
    1.0  # seconds between looks at who the parent is, where a pipe is kept open by others
)

Tell = Callable[[Frame], None]


def main() -> None:
    """Serve the parent until it says `Close`."""
    answers = _own_output()
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    commands: SimpleQueue[Frame] = SimpleQueue()
    threading.Thread(target=_read, args=(_own_input(), commands), daemon=True).start()

    def tell(frame: Frame) -> None:
        answers.write(to_line(frame))
        answers.flush()

    serve(iter(commands.get, None), tell)


def serve(commands: Iterator[Frame], tell: Tell) -> None:
    """Carry out commands until `Close`; what breaks is told, and ends nothing."""
    backend: Backend | None = None
    try:
        for command in commands:
            if isinstance(command, Close):
                return
            try:
                backend = _obey(command, backend, tell)
            except Exception as error:
                traceback.print_exc()  # into the log
                tell(Failed.of(_named(error)))
    finally:
        if backend is not None:
            backend.close()


def _obey(command: Frame, backend: Backend | None, tell: Tell) -> Backend | None:
    if isinstance(command, Open):
        return open_here(command.backend, command.options)
    if isinstance(command, Generate) and backend is not None:
        announce(backend, max(command.expected, len(command.requests)))
        for request, completion in backend.generate(command.requests):
            tell(Answer(request.key, completion))
        tell(Done(backend.notes, dict(backend.execution())))
    return backend


def _named(error: Exception) -> HarnessError:
    if isinstance(error, HarnessError):
        return error
    return MachineryError(Problem("the engine broke", found=f"{type(error).__name__}: {error}"))


def _own_output() -> BinaryIO:
    """Standard output for frames alone: whoever prints, prints into the log."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


def _own_input() -> BinaryIO:
    """Standard input for commands alone: a process forked from this one closes its own at once."""
    own = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdin = os.fdopen(0, closefd=False)
    return own


def _read(stream: BinaryIO, commands: SimpleQueue[Frame]) -> None:
    for line in stream:
        command = from_line(line)
        commands.put(command)
        if isinstance(command, Close):  # a thread that still reads would break the orderly end
            return
    _vanish()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK)
    _vanish()


def _vanish() -> None:
    """End this process and its own children, whatever they are doing; it leads their group."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
