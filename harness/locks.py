"""Work that only one process at a time may do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import MachineryError, Problem


@contextmanager
def alone(lock: Path, message: str, place: Path | None = None) -> Iterator[None]:
    """Hold the lock while the block runs; the system lets go of it however the process ends.

    Raises MachineryError with `message` where another process holds it; `place` is shown instead
    of the lock's own file.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        mend = "wait for it, or end it: the lock goes with its process"
        raise MachineryError(Problem(message, str(place or lock), mend=mend)) from None
    try:
        yield
    finally:
        held.release()
