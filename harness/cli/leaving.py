"""How the command leaves its process: closed pipes, and engines that still work."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended
CLOSED_PIPE = 141  # 128 + SIGPIPE, as shells see programs that end by it


def silence() -> int:
    """Nobody reads on (`harness schema | head`): say nothing more, at the end neither."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return CLOSED_PIPE


def leave(code: int) -> int:
    """The exit code; ends the process here and now where an engine still works in its thread."""
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C changes nothing any more
    if "harness.runner" in sys.modules:  # a command that loaded no engine has none at work
        from harness.runner import at_work, leave_now

        if at_work():
            leave_now(code)
    return code
