"""Entry of the training process: reads its job, tells what happens on a pipe, ends with a code."""

from __future__ import annotations

import errno
import os
import sys
import threading
import traceback
from pathlib import Path

from filelock import FileLock, Timeout

from harness.common import InputError
from harness.training.sft.job import Event, Exit, Failed, Job, Observer, to_line

LOCK_WAIT = 60.0  # seconds that an orphan of a killed run is given to notice and end


def main(arguments: list[str]) -> int:
    """Train as the job says; returns the exit code."""
    job = Job.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    pipe = os.fdopen(int(arguments[1]), "w", encoding="utf-8", buffering=1)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def send(event: Event) -> None:
        pipe.write(to_line(event))

    try:
        with FileLock(job.work / "lock", timeout=LOCK_WAIT):
            return _train(job, send)
    except Timeout:
        send(Failed("another process is training into this directory", mend="wait for it to end"))
        return Exit.REFUSED


def _train(job: Job, send: Observer) -> int:
    # MOVED
    from harness.training.sft.worker.run import run

    try:
        run(job, send)
    except InputError as error:
        for problem in error.problems:
            send(Failed(problem.message, problem.found, problem.mend))
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


# What allocators say; torch raises a type of its own for CUDA alone.
_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "unable to mmap",
)
_DISK = ("no space left on device", "disk quota exceeded", "file too large")
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Diverged(Exception):
    """The loss is no number any more, or rises."""


def explain(error: Exception, job: Job) -> tuple[int, Failed]:
    """The exit code and what to tell for an exception of the training."""
    if isinstance(error, Diverged):
        return Exit.DIVERGED, Failed(str(error), mend=_calmer(job))
    if out_of_memory(error):
        return Exit.OUT_OF_MEMORY, Failed("memory ran out", found=first_line(error))
    if disk_full(error):
        return Exit.DISK_FULL, Failed("the disk is full", found=first_line(error))
    traceback.print_exception(error)
    return 1, Failed(f"{type(error).__name__}: {first_line(error)}")


def out_of_memory(error: BaseException) -> bool:
    """Whether an allocator gave up, on the device or on the host."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    known = isinstance(error, RuntimeError | OSError | ValueError)
    return known and any(sign.lower() in text for sign in _MEMORY)


def disk_full(error: BaseException) -> bool:
    """Whether a file could not be written for want of room."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return True
    return any(sign in str(error).lower() for sign in _DISK)


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, 300 characters at most."""
    return next((line.strip()[:300] for line in str(error).splitlines() if line.strip()), "")


def _calmer(job: Job) -> str:
    rate = job.config.learning_rate / 4
    return (
        f"lower learning_rate to {rate:.2g} or so, raise warmup, and look at the rows with the "
        "longest answers; in float16, use bfloat16 or float32"
    )
