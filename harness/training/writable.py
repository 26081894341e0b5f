"""Whether a directory can be written, asked before hours of work go into it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness.errors import InputError, Problem


def demand_writable(directory: Path, mend: str) -> None:
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
            Problem("nothing can be written here", str(directory), found=found, mend=mend)
        ) from None
