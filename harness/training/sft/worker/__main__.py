"""Entry of the training process: reads its job, tells what happens on a pipe, ends with a code."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from harness.common import InputError
from harness.training.sft.job import Event, Exit, Observer, TrainingFailed, TrainingJob, to_line

LOCK_WAIT = 60.0  # seconds that an orphan of a killed run is given to notice and end


def main(arguments: list[str]) -> int:
    """Train as the job says; return the exit code."""
    job = TrainingJob.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    pipe = os.fdopen(int(arguments[1]), "w", encoding="utf-8", buffering=1)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def send(event: Event) -> None:
        pipe.write(to_line(event))

    try:
        with FileLock(job.work / "lock", timeout=LOCK_WAIT):
            return _train(job, send)
    except Timeout:
        send(
            TrainingFailed(
                "another process is training into this directory", hint="wait for it to end"
            )
        )
        return Exit.REFUSED


def _train(job: TrainingJob, send: Observer) -> int:
    from harness.training.sft.worker.failures import explain
    from harness.training.sft.worker.run import run

    try:
        run(job, send)
    except InputError as error:
        for problem in error.problems:
            send(TrainingFailed(problem.message, problem.found, problem.hint))
        return Exit.REFUSED
    except Exception as error:
        code, failed = explain(error, job)
        send(failed)
        return code
    return 0


def _end_with_parent() -> None:
    """The parent holds the other end of stdin: when it is gone, nobody waits for this work."""
    while os.read(0, 1024):
        pass
    os._exit(Exit.ORPHANED)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # threads of trackers and of torch would only delay the end
