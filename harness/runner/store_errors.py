"""What SQLite says when something breaks, as the user should read it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError, InputError, MachineryError, Problem

REPAIR = "run `harness cache verify --repair`: it keeps everything that can still be read"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite and of the file system below it, raised as problems of the store."""
    try:
        yield
    except sqlite3.Error as error:
        raise _problem(path, error) from error
    except PermissionError as error:
        raise _unwritable(path, error) from error
    except OSError as error:
        raise InputError(_at(path, "the store cannot be opened", error)) from error


def damaged(path: Path, found: str) -> MachineryError:
    """Something in the file is not as it was written."""
    return MachineryError(Problem("the store is damaged", path=str(path), found=found, mend=REPAIR))


def _problem(path: Path, error: sqlite3.Error) -> HarnessError:
    name = getattr(error, "sqlite_errorname", "")
    kind = "_".join(name.split("_")[:2])
    if kind == "SQLITE_CORRUPT":
        return damaged(path, str(error))
    if kind == "SQLITE_NOTADB":
        return _not_a_store(path, error)
    if kind in ("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN"):
        return _unwritable(path, error)
    if kind == "SQLITE_FULL":
        return _full(path, error)
    if kind in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return _busy(path, error)
    if kind == "SQLITE_IOERR":
        return _refused(path, error)
    return MachineryError(_at(path, "the store could not be read or written", error))


def _at(path: Path, message: str, error: Exception, mend: str = "") -> Problem:
    return Problem(message, path=str(path), found=str(error), mend=mend)


def _not_a_store(path: Path, error: Exception) -> InputError:
    mend = "move the file away: the next run begins a new store; answers under reports/ remain"
    return InputError(_at(path, "this file is not a store, or its beginning is lost", error, mend))


def _unwritable(path: Path, error: Exception) -> InputError:
    mend = "give yourself write permission to the file and its folder, or name another file"
    return InputError(_at(path, "the store cannot be written", error, mend))


def _full(path: Path, error: Exception) -> MachineryError:
    mend = "free some space and run the same command again: finished answers are kept"
    return MachineryError(_at(path, "no space left for the store", error, mend))


def _refused(path: Path, error: Exception) -> MachineryError:
    mend = "check free space, quota and disk, and run again: finished answers are kept"
    return MachineryError(_at(path, "the disk refused to read or write the store", error, mend))


def _busy(path: Path, error: Exception) -> MachineryError:
    mend = "wait for the other process, or end it: finished answers are kept"
    return MachineryError(_at(path, "another process holds the store", error, mend))
