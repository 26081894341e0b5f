"""Files that are written whole or not at all, and work that only one process may do at a time."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from filelock import FileLock, Timeout

from harness.common.errors import InputError, MachineryError, Problem

MOST_LEVELS = 250  # folders of a path: Python's own ways to make and to remove a tree end at 990


def from_home(text: str | Path) -> Path:
    """Return the path that somebody wrote, with `~` as their home.

    `~nobody` stays as it is, and is then not there; `Path.expanduser` raises RuntimeError for it.
    """
    return Path(os.path.expanduser(text))


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there yet.

    Raises OSError, also for a path of more levels than anything of ours can use, and
    NotADirectoryError where a file is in the way.
    """
    if len(path.parts) > MOST_LEVELS:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        said = os.strerror(errno.ENOTDIR)
        raise NotADirectoryError(errno.ENOTDIR, said, error.filename) from error


@contextmanager
def alone(
    lock: Path, message: str, place: Path | None = None, *, patience: float = 0.0
) -> Iterator[None]:
    """Hold the lock while the block runs; the system lets go of it however the process ends.

    Raises MachineryError with `message` where another process holds it for more than `patience`
    seconds; `place` is shown instead of the lock's own file. Raises OSError where none can be made.
    """
    make_folder(lock.parent)
    lock.touch()  # filelock would wait for one that cannot be made
    held = FileLock(lock)
    try:
        held.acquire(timeout=patience)
    except Timeout:
        hint = "wait for it, or end it: the lock goes with its process"
        raise MachineryError(Problem(message, str(place or lock), hint=hint)) from None
    try:
        yield
    finally:
        held.release()


def demand_writable(directory: Path, hint: str) -> None:
    """Raises InputError where nothing can be written below it; makes no directory.

    A file is tried in it, or in the nearest directory above it that is there: permissions alone do
    not tell of read-only disks.
    """
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        found = f"{place}: {(error.strerror or str(error)).lower()}"
        raise InputError(
            Problem("nothing can be written here", str(directory), found=found, hint=hint)
        ) from None


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open a text file that appears under its name only when all of it is on the disk.

    A full disk, or a process that is killed, leaves the old file as it was. What is no regular
    file (`/dev/null`, `/dev/stdout`, a pipe) is written into, and never replaced.
    """
    if not path.name or path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    regular = path.is_file() or not path.exists()
    target = path.with_name(f".{path.name}.{os.getpid()}") if regular else path
    try:
        # Half a surrogate pair, which no file can hold, stands as \ud800, as JSON has it anyway.
        with target.open("w", encoding="utf-8", newline="\n", errors="backslashreplace") as file:
            yield file
            if regular:
                file.flush()
                os.fsync(file.fileno())
        if regular:
            os.replace(target, path)
    except BaseException as error:
        if regular:
            with suppress(OSError):
                target.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(target)):
            error.filename = str(path)  # the name that people know; of a full disk there is none
        raise


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal; the file is read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_or_print(text: str, paths: Sequence[str]) -> None:
    """Write a text to each of the files, or to the terminal where none is named."""
    if not paths:
        sys.stdout.write(text)
    for path in paths:
        Path(path).write_text(text, "utf-8")
