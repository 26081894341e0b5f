"""A backend in a process of its own: `python -m harness.backends.worker`, started by `workers`.

Commands come in on standard input, answers go out on what was standard output; what libraries
print goes to standard error, which is a log. When the parent is gone, however it ended, this
process and all that it started end at once.
"""

from __future__ import annotations

from harness.backends.base import Backend
from harness.backends.registry import open_here
from harness.backends.workers import (
    FRAMES,
    CloseCommand,
    Frame,
    GenerateCommand,
    OpenCommand,
    broken,
    served,
)
from harness.common import processes


def main() -> None:
    """Carry out the parent's commands until `CloseCommand`; tell it what breaks."""
    parent = processes.Parent()

    def tell(frame: Frame) -> None:
        parent.send(FRAMES.to_line(frame))

    def next_command() -> GenerateCommand | None:
        """Return what is asked while the engine works: nothing else comes before it is done."""
        line = parent.waiting_line()
        command = None if line is None else FRAMES.from_line(line)
        assert command is None or isinstance(command, GenerateCommand)
        return command

    backend: Backend | None = None
    try:
        for line in parent.lines():
            command = FRAMES.from_line(line)
            if isinstance(command, CloseCommand):
                return
            if isinstance(command, OpenCommand):
                try:
                    backend = open_here(command.backend, command.options)
                except Exception as error:
                    tell(broken(error))
            elif isinstance(command, GenerateCommand) and backend is not None:
                for frame in served(backend, command, next_command):
                    tell(frame)
    finally:
        if backend is not None:
            backend.close()


if __name__ == "__main__":
    main()
