"""The command `harness`: thin commands on top of the session."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from harness.cli import (
    baselines,
    caching,
    checking,
    comparing,
    engine,
    exporting,
    fixing,
    history,
    importing,
    nightly,
    planning,
    running,
    starting,
    training,
    training_data,
)
from harness.cli.parser import INTERRUPTED, leave, new_parser, parse, silence
from harness.common import HarnessError, InputError, Problem

COMMANDS = (
    starting,
    planning,
    running,
    comparing,
    nightly,
    checking,
    importing,
    history,
    baselines,
    caching,
    exporting,
    training,
    training_data,
    fixing,
    engine,
)
_PATHS = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
STOPPED = "stopped; what was finished is kept: run the same command again"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a user's mistake is printed without a traceback.

    Without `argv` this is the program itself: its words are those of the command line.
    """
    return leave(_run(sys.argv[1:])) if argv is None else _run(argv)


def _run(words: Sequence[str]) -> int:
    parser, commands = new_parser()
    for family in COMMANDS:
        family.add_commands(commands)
    try:
        if not words:
            parser.print_help()
            return 0
        arguments = parse(parser, words, commands.choices)
        with _gentle_end():
            code: int = arguments.act(arguments)
        sys.stdout.flush()
    except HarnessError as error:
        print(error, file=sys.stderr)
        if len(error.problems) > 1:
            print(f"{len(error.problems)} problems", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return silence()
    except _PATHS as error:
        if error.filename is None:
            raise  # not a path: a mistake of ours
        reason = (error.strerror or "").lower()
        path, hint = str(error.filename), "name another path"
        print(InputError(Problem("cannot be used", path, found=reason, hint=hint)), file=sys.stderr)
        return InputError.exit_code
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return INTERRUPTED
    return code


@contextmanager
def _gentle_end() -> Iterator[None]:
    """SIGTERM ends a run as gently as Ctrl-C does: what has arrived is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


__all__ = ["main"]
