"""Entry of the training process: reads its job, tells what happens on a pipe, ends with a code.

Its standard output is the pipe; what libraries print goes to standard error. Where several train
together, this process starts them and waits, and they tell on the same pipe.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from harness.common import InputError
from harness.common.processes import end_with_parent
from harness.training.sft.job import (
    JOIN,
    Event,
    Exit,
    Observer,
    TrainingFailed,
    TrainingJob,
    to_line,
)

LOCK_WAIT = 60.0  # seconds that an orphan of a killed run is given to notice and end


def main(arguments: list[str]) -> int:
    """Train as the job says, alone or as one of several; return the exit code.

    Instead of the file of a job, `join` with an address takes part in one of another host.
    """
    if arguments[0] == JOIN:
        from harness.training.sft.worker.launching import launch_joined

        end_with_parent()
        return launch_joined(arguments[1], _tell)
    path = Path(arguments[0])
    job = TrainingJob.model_validate_json(path.read_text(encoding="utf-8"))
    end_with_parent()
    if arguments[1:]:
        return _train(job, _pipe())
    try:
        with FileLock(job.work / "lock", timeout=LOCK_WAIT):
            if job.config.processes == 1:
                return _train(job, _pipe())
            from harness.training.sft.worker.launching import launch_called

            return launch_called(path, job, _tell)
    except Timeout:
        failed = TrainingFailed(
            "another process is training into this directory",
            hint="wait for it to end",
            code=Exit.REFUSED,
        )
        _pipe()(failed)
        return Exit.REFUSED


def _tell(event: Event) -> None:
    """Tell on the pipe that the workers inherit."""
    os.write(1, to_line(event).encode())


def _pipe() -> Observer:
    """Take our standard output for events. A line is one write: several processes tell on it."""
    pipe = os.dup(1)
    os.dup2(2, 1)

    def send(event: Event) -> None:
        os.write(pipe, to_line(event).encode())

    return send


def _train(job: TrainingJob, send: Observer) -> int:
    from harness.training.sft.worker.failures import explain
    from harness.training.sft.worker.run import run

    try:
        run(job, send)
    except InputError as error:
        problems = error.problems
        told = [TrainingFailed(p.message, p.found, p.hint, Exit.REFUSED) for p in problems]
    except Exception as error:
        code, failed = explain(error, job)
        told = [replace(failed, code=code)]
    else:
        return 0
    if job.config.hosts > 1:
        from harness.training.sft.worker.hosts import say_failed

        say_failed(job, told[0])
    for failed in told:
        send(failed)
    return told[0].code


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # threads of trackers and of torch would only delay the end
