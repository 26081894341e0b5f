"""Engines in child processes: their memory is given back when they end, whatever they hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from harness.backends.frames import (
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
from harness.backends.values import BackendOptions, Completion, Request
from harness.errors import MachineryError, Problem

GRACE = 30.0  # seconds to end after `Close`: engines with processes of their own take some
_LOG_TAIL = 4_000  # characters of the log that are looked at for what was said last
AGAIN = "run the same command again: it goes on where this one stopped"


class Child:
    """A backend in a process of its own. The process starts with the first request.

    `label` names it in errors and is the name of its log, in the options' `cache_dir`. `notes` and
    `execution` are what it said after its last answers; `expected` is how many the run may want.
    """

    def __init__(self, backend: str, options: BackendOptions, label: str) -> None:
        self.label = label
        self.notes: tuple[str, ...] = ()
        self.execution: Mapping[str, str] = {}
        self.expected = 0
        self._open = Open(backend, options)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_file = _log_file(options.cache_dir, label)
        self._log: IO[bytes] | None = None
        self._busy = False

    @property
    def is_alive(self) -> bool:
        """Whether its process is there, with what it has loaded."""
        return self._process is not None and self._process.poll() is None

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answers, each as it arrives.

        Raises what the backend raised; `MachineryError` where the process died. Whoever stops
        listening stops the process too.
        """
        waiting = {request.key: request for request in requests}
        self._busy = True
        try:
            self._start()
            self._tell(Generate(tuple(requests), self.expected))
            while not isinstance(frame := self._hear(), Done):
                if isinstance(frame, Answer):
                    yield waiting[frame.key], frame.completion
            self.notes, self.execution = frame.notes, frame.execution
            self._busy = False
        finally:
            if self._busy:
                self._kill()

    def close(self) -> None:
        """End the process: at once where it is at work, else as soon as it has tidied up."""
        if self._process is not None and not self._busy:
            with suppress(OSError):
                self._tell(Close())
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
        self._kill()

    def _start(self) -> None:
        if self._process is not None:
            return
        self._log = _opened(self._log_file)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.backends.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the parent, which ends this one
        )
        self._tell(self._open)

    def _tell(self, frame: Frame) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with suppress(BrokenPipeError, ValueError):  # it has died: reading says so, and why
            self._process.stdin.write(to_line(frame))
            self._process.stdin.flush()

    def _hear(self) -> Frame:
        process = self._process
        if process is None or process.stdout is None:
            raise MachineryError(Problem(f"the engine's process for {self.label} was stopped"))
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._death(process)
        frame = from_line(line)
        if isinstance(frame, Failed):
            raise frame.error()
        return frame

    def _death(self, process: subprocess.Popen[bytes]) -> MachineryError:
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        message = f"the engine's process for {self.label} {_cause(process.returncode)}"
        log = f"; its log is {self._log_file}" if self._log_file else ""
        return MachineryError(Problem(message, found=self._last_words(), mend=AGAIN + log))

    def _last_words(self) -> str:
        """The last line that the process or a library in it printed."""
        if self._log is None or self._log.closed:
            return ""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL))
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def _kill(self) -> None:
        """End the process and all that it started, and free its pipes."""
        process, self._process, self._busy = self._process, None, False
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, self._log):
            with suppress(OSError):  # what is still in a buffer has no reader any more
                if stream is not None:
                    stream.close()


def _log_file(directory: Path | None, label: str) -> Path | None:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", label).strip("-")
    return directory / f"engine-{name}.log" if directory else None


def _opened(log: Path | None) -> IO[bytes]:
    """A new log; where it cannot be kept, one without a name serves."""
    try:
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            return log.open("w+b")
    except OSError:
        pass
    return tempfile.TemporaryFile()


def _cause(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "was killed (SIGKILL; where memory runs out, the system does that)"
    if code is not None and code < 0:
        return f"was killed ({signal.Signals(-code).name})"
    return f"ended with exit code {code}"
