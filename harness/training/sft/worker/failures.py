"""What stopped a training, told apart by the exception: memory, disk, divergence, anything else."""

from __future__ import annotations

import errno
import traceback

from harness.training.sft.job import Exit, TrainingFailed, TrainingJob

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


def explain(error: Exception, job: TrainingJob) -> tuple[int, TrainingFailed]:
    """Return the exit code and what to tell for an exception of the training."""
    if isinstance(error, Diverged):
        rate = job.config.learning_rate / 4
        hint = (
            f"lower learning_rate to {rate:.2g} or so, raise warmup, and look at the rows with the "
            "longest answers; in float16, use bfloat16 or float32"
        )
        return Exit.DIVERGED, TrainingFailed(str(error), hint=hint)
    if out_of_memory(error):
        return Exit.OUT_OF_MEMORY, TrainingFailed("memory ran out", found=first_line(error))
    if operation := not_deterministic(error):
        return Exit.NOT_DETERMINISTIC, TrainingFailed("is not deterministic", found=operation)
    if disk_full(error):
        return Exit.DISK_FULL, TrainingFailed("the disk is full", found=first_line(error))
    traceback.print_exception(error)
    return 1, TrainingFailed(f"{type(error).__name__}: {first_line(error)}")


def out_of_memory(error: BaseException) -> bool:
    """Return whether an allocator gave up, on the device or on the host."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    known = isinstance(error, RuntimeError | OSError | ValueError)
    return known and any(sign.lower() in text for sign in _MEMORY)


def not_deterministic(error: BaseException) -> str:
    """Return the operation that torch has no deterministic kernel for, or an empty string."""
    name, sign, _ = str(error).partition(" does not have a deterministic implementation")
    return name.strip()[-80:] if sign and isinstance(error, RuntimeError) else ""


def disk_full(error: BaseException) -> bool:
    """Return whether a file could not be written for want of room."""
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        return True
    return any(sign in str(error).lower() for sign in _DISK)


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, 300 characters at most."""
    return next((line.strip()[:300] for line in str(error).splitlines() if line.strip()), "")
