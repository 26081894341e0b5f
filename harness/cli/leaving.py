"""How the command leaves its process: closed pipes, and engines that still work."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from rich.console import Console

INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended
CLOSED_PIPE = 141  # 128 + SIGPIPE, as shells see programs that end by it
ENGINE = "engine"  # the thread's name, see harness/runner/engine.py


class Terminal(Console):
    """rich's console; a pipe that is closed by its reader is an error as any other."""

    def on_broken_pipe(self) -> None:
        """Instead of leaving the process with exit code 1, which says that a gate failed."""
        raise BrokenPipeError


def silence() -> int:
    """Nobody reads on (`harness schema | head`): say nothing more, at the end neither."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return CLOSED_PIPE


def leave(code: int) -> int:
    """The exit code; ends the process here and now where an engine still works in its thread.

    Python ends such a thread from inside, and C++ answers that with an abort ("terminate called
    without an active exception"). What was reported as done is on the disk by now.
    """
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C changes nothing any more
    if any(thread.name == ENGINE and thread.daemon for thread in threading.enumerate()):
        streams: tuple[Any, ...] = (sys.stdout, sys.stderr)
        for stream in streams:
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code
