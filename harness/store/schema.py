"""The tables of the store, and the way from each older version to this one.

`PRAGMA user_version` holds the version, `PRAGMA application_id` says that the file is ours. A
version goes up by one script in `MIGRATIONS`; a released script is never changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

from harness.common import HarnessError, InputError, MachineryError, Problem

APPLICATION_ID = 0x48524E53  # "HRNS": so that another program's SQLite file is refused

_VERSION_1 = """
CREATE TABLE completions (
    id       INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,
    body     TEXT NOT NULL,
    meta     TEXT NOT NULL,
    created  TEXT NOT NULL,
    checksum TEXT NOT NULL
);
CREATE TABLE runs (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    body     TEXT NOT NULL,
    after    INTEGER NOT NULL,
    checksum TEXT NOT NULL
);
CREATE TABLE results (
    id       INTEGER PRIMARY KEY,
    run      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    cached   INTEGER NOT NULL,
    seconds  REAL NOT NULL,
    keys     TEXT NOT NULL,
    body     TEXT NOT NULL,
    checksum TEXT NOT NULL,
    UNIQUE (run, position)
);
CREATE TABLE memos (
    key  TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
"""

_VERSION_2 = """
CREATE TABLE journal (
    id       INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,
    body     TEXT NOT NULL,
    checksum TEXT NOT NULL
);
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2)
VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to this version; raises InputError for a file that is not ours or is newer.

    The lock is taken before the version is read again, so that two processes that open a new file
    at once create its tables once.
    """
    if version_of(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[version_of(connection, path) :]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a store; raises InputError for a file that is not ours or is newer."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
    foreign = owner != APPLICATION_ID and (
        version or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    )
    if foreign:
        raise InputError(
            Problem(
                "this SQLite file is not a store of the harness",
                path=str(path),
                hint="name another file for the store, or move this one away",
            )
        )
    if version > VERSION:
        raise InputError(
            Problem(
                "the store was written by a newer harness",
                path=str(path),
                found=f"version {version}",
                expected=f"version {VERSION} or older",
                hint="upgrade the harness, or name another file for the store",
            )
        )
    return version


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
    return MachineryError(Problem("the store is damaged", path=str(path), found=found, hint=REPAIR))


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


def _at(path: Path, message: str, error: Exception, hint: str = "") -> Problem:
    return Problem(message, path=str(path), found=str(error), hint=hint)


def _not_a_store(path: Path, error: Exception) -> InputError:
    hint = "move the file away: the next run begins a new store; answers under reports/ remain"
    return InputError(_at(path, "this file is not a store, or its beginning is lost", error, hint))


def _unwritable(path: Path, error: Exception) -> InputError:
    hint = "give yourself write permission to the file and its folder, or name another file"
    return InputError(_at(path, "the store cannot be written", error, hint))


def _full(path: Path, error: Exception) -> MachineryError:
    hint = "free some space and run the same command again: finished answers are kept"
    return MachineryError(_at(path, "no space left for the store", error, hint))


def _refused(path: Path, error: Exception) -> MachineryError:
    hint = "check free space, quota and disk, and run again: finished answers are kept"
    return MachineryError(_at(path, "the disk refused to read or write the store", error, hint))


def _busy(path: Path, error: Exception) -> MachineryError:
    hint = "wait for the other process, or end it: finished answers are kept"
    return MachineryError(_at(path, "another process holds the store", error, hint))


T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """The items in tuples of `size`; the last one may be shorter."""
    rest = iter(items)
    while chunk := tuple(islice(rest, size)):
        yield chunk
