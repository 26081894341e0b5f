"""A backend in a process of its own: `python -m harness.backends.worker`, started by `workers`.

Commands come in on standard input, answers go out on what was standard output; what libraries
print goes to standard error, which is a log. When the parent is gone, however it ended, this
process and all that it started end at once.
"""

from __future__ import annotations

import traceback

from harness.backends.base import Backend
from harness.backends.registry import open_here
from harness.backends.workers import (
    FRAMES,
    AnswerEvent,
    CloseCommand,
    DoneEvent,
    FailedEvent,
    Frame,
    GenerateCommand,
    OpenCommand,
)
from harness.common import HarnessError, MachineryError, Problem, processes


def main() -> None:
    """Carry out the parent's commands until `CloseCommand`; tell it what breaks."""
    parent = processes.Parent()

    def tell(frame: Frame) -> None:
        parent.send(FRAMES.to_line(frame))

    backend: Backend | None = None
    try:
        for line in parent.lines():
            command = FRAMES.from_line(line)
            if isinstance(command, CloseCommand):
                return
            try:
                if isinstance(command, OpenCommand):
                    backend = open_here(command.backend, command.options)
                elif isinstance(command, GenerateCommand) and backend is not None:
                    backend.expect(max(command.expected, len(command.requests)))
                    for request, completion in backend.generate(command.requests):
                        tell(AnswerEvent(request.key, completion))
                    tell(DoneEvent(backend.notes, dict(backend.execution())))
            except HarnessError as error:
                traceback.print_exc()  # into the log
                tell(FailedEvent.of(error))
            except Exception as error:
                traceback.print_exc()
                found = f"{type(error).__name__}: {error}"
                tell(FailedEvent.of(MachineryError(Problem("the engine broke", found=found))))
    finally:
        if backend is not None:
            backend.close()


if __name__ == "__main__":
    main()
