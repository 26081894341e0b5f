"""Processes of our own: started, told and heard in lines of JSON, ended with who started them.

A child is started by `start`: its standard input is a pipe, and only the parent holds the other
end. However the parent ends, `kill -9` included, the system closes that end. A child that called
`end_with_parent`, or that hears its parent through a `Parent`, then ends at once, and with it all
that it has started: it leads a process group of its own. So do those where the child alone is
killed, as Ray kills the children of a worker that it ends: see `_guard`.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

# Seconds between looks at who the parent is: a process forked from it may hold the pipe open.
ORPHAN_CHECK = 1.0
_CHUNK = 1 << 16  # bytes: what Linux gives of a pipe at once
_FILES = 1 << 16  # open files of a process, at most as far as we look


class JsonLines(Generic[T]):
    """Values as lines of JSON, checked when they are read. Settings that nobody set stay unset."""

    def __init__(self, values: TypeAdapter[T]) -> None:
        self._values = values

    def to_line(self, value: T) -> bytes:
        """Return a value as one line, with its line break."""
        return self._values.dump_json(value, exclude_unset=True, fallback=str) + b"\n"

    def from_line(self, line: bytes) -> T:
        """Return the value of a line; raises ValueError for anything else."""
        return self._values.validate_json(line)


# -- in the parent ---------------------------------------------------------------------------------


def start(
    module: str,
    *arguments: str,
    output: int | IO[bytes] = subprocess.DEVNULL,
    errors: int | IO[bytes] = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `python -m MODULE ARGUMENTS...` in a session of its own, with a pipe to its input.

    It imports what this process would. Ctrl-C is for this process, which ends the other.
    `environment` is added to this process's own.
    """
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        pass_fds=pass_fds,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes], patience: float = 0.0) -> int:
    """End a process of `start` with all that it has started; return its exit code.

    It has `patience` seconds to end by itself before all of its group is killed.
    """
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):  # what is still in a buffer has no reader any more
            if stream is not None:
                stream.close()
    return code


class Child:
    """A process of `start` that is talked to in lines; it hears them through a `Parent`."""

    def __init__(self, module: str, *, errors: int | IO[bytes] = subprocess.DEVNULL) -> None:
        self.process = start(module, output=subprocess.PIPE, errors=errors)
        self._lines: deque[bytes] = deque()
        self._piece = b""  # of a line whose end has not come

    @property
    def is_alive(self) -> bool:
        """Return whether the process is there."""
        return self.process.poll() is None

    def send(self, line: bytes) -> None:
        """Tell it a line. That it has died is for `receive` to find out."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError, ValueError):
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def receive(self, patience: float | None = None) -> bytes | None:
        """Return its next line; None once it has ended, half a line counting for nothing.

        Raises TimeoutError where nothing comes for `patience` seconds.
        """
        output = self.process.stdout
        assert output is not None
        while not self._lines:
            try:
                if not select.select([output], [], [], patience)[0]:
                    raise TimeoutError
                chunk = os.read(output.fileno(), _CHUNK)
            except ValueError:  # another thread has ended it
                return None
            if not chunk:
                return None
            *whole, self._piece = (self._piece + chunk).split(b"\n")
            self._lines.extend(whole)
        return self._lines.popleft()


# -- in the child ----------------------------------------------------------------------------------


def end_with_parent(patience: float = 0.0) -> None:
    """From now on end when the parent has closed our input or is gone, however it ended.

    With `patience` this process is first told to stop (SIGTERM), and has so many seconds for it.
    """
    parent = os.getppid()
    _guard()

    def watch() -> None:
        while os.getppid() == parent:
            said = select.select([0], [], [], ORPHAN_CHECK)[0]
            if said and not os.read(0, _CHUNK):
                break
        _vanish(patience)

    threading.Thread(target=watch, daemon=True, name="watch the parent").start()


class Parent:
    """Who started this process, heard and told in lines; with it this process ends.

    Standard input and output are taken for these lines alone: what libraries print goes to
    standard error, and a process forked from this one reads an empty input.
    """

    def __init__(self) -> None:
        _guard()
        self._output = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        said = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        sys.stdin = os.fdopen(0, closefd=False)
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self._hear, args=(said,), daemon=True).start()
        threading.Thread(target=self._watch, args=(os.getppid(),), daemon=True).start()

    def lines(self) -> Iterator[bytes]:
        """Wait for each line that the parent says, for ever."""
        while True:
            yield self._lines.get()

    def waiting_line(self) -> bytes | None:
        """Return the next line where one has come already, else None."""
        try:
            return self._lines.get_nowait()
        except Empty:
            return None

    def send(self, line: bytes) -> None:
        """Tell the parent a line."""
        self._output.write(line)
        self._output.flush()

    def _hear(self, said: int) -> None:
        # Not through a buffered file: its lock, held by a thread that reads, breaks an orderly end.
        line: list[bytes] = []
        while chunk := os.read(said, _CHUNK):
            head, *rest = chunk.split(b"\n")
            line.append(head)
            for piece in rest:
                self._lines.put(b"".join(line))
                line = [piece]
        _vanish()

    def _watch(self, parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_CHECK)
        _vanish()


def _guard() -> None:
    """Let a small process end our group once we are gone, also where only we are killed.

    It looks who its parent is: a process forked from us would hold a pipe open.
    """
    guarded = os.getpid()
    if os.getpgrp() != guarded or os.fork():
        return
    with suppress(BaseException):  # Ctrl-C too: it is for whoever started us
        os.closerange(0, _FILES)  # whose other ends wait until all who hold them have closed them
        while os.getppid() == guarded:
            time.sleep(ORPHAN_CHECK)
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _vanish(patience: float = 0.0) -> None:
    """End this process and its own children, whatever they are doing; it leads their group."""
    if patience:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
