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

from harness.common import InputError, MachineryError, Problem

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

_VERSION_3 = """
CREATE TABLE judgements (
    id       INTEGER PRIMARY KEY,
    key      TEXT NOT NULL UNIQUE,
    body     TEXT NOT NULL,
    checksum TEXT NOT NULL
);
"""

# What is looked up in the body of a result. A damaged one is NULL there: it must not keep the whole
# file from being opened, or the index from being made. An index serves queries that say the same.
_PART = "CASE WHEN json_valid(body) THEN json_extract(body, '$.{}') END"
OF_RESULT = {name: _PART.format(name) for name in ("suite", "case", "variant", "outcome")}

_VERSION_4 = """
CREATE INDEX results_by_case ON results ({suite}, {case}, run);
CREATE INDEX results_by_run ON results (run, {suite}, {case}, {variant}, {outcome}, position);
""".format_map(OF_RESULT)

MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)
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
    """Read the version of a store; raises InputError for a file that is not ours or is newer."""
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


OLDEST_READ = 2  # the version that has a journal: what is only read needs no more


def demand_readable(connection: sqlite3.Connection, path: Path) -> None:
    """Raise InputError for a store that cannot be read as it is: it is not brought up to date.

    So a harness of an older version may go on writing it.
    """
    version = version_of(connection, path)
    if version < OLDEST_READ:
        raise InputError(
            Problem(
                "the store is of a version that is too old to be read as it is",
                path=str(path),
                found=f"version {version}" if version else "an empty file: nothing was run yet",
                expected=f"version {OLDEST_READ} to {VERSION}",
                hint="`harness runs` brings it to this version; it keeps everything",
            )
        )


REPAIR = "run `harness cache verify --repair`: it keeps everything that can still be read"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and of the file system below it as problems of the store."""
    try:
        yield
    except sqlite3.Error as error:
        name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
        if name == "SQLITE_CORRUPT":
            raise damaged(path, str(error)) from error
        if name in _UNUSABLE:
            raise InputError(_at(path, error, *_UNUSABLE[name])) from error
        raise MachineryError(_at(path, error, *_BROKEN.get(name, _UNKNOWN))) from error
    except UnicodeDecodeError as error:  # in SQLite's own message on a damaged page
        raise damaged(path, "its texts are no UTF-8") from error
    except PermissionError as error:
        raise InputError(_at(path, error, *_UNWRITABLE)) from error
    except OSError as error:
        raise InputError(_at(path, error, "the store cannot be opened")) from error


_UNWRITABLE = (
    "the store cannot be written",
    "give yourself write permission to the file and its folder, or name another file",
)
_UNUSABLE = {  # by SQLite's name of the error: what is wrong, and a hint
    "SQLITE_NOTADB": (
        "this file is not a store, or its beginning is lost",
        "move the file away: the next run begins a new store; answers under reports/ remain",
    ),
    "SQLITE_READONLY": _UNWRITABLE,
    "SQLITE_PERM": _UNWRITABLE,
    "SQLITE_CANTOPEN": _UNWRITABLE,
}
_BROKEN = {
    "SQLITE_FULL": (
        "no space left for the store",
        "free some space and run the same command again: finished answers are kept",
    ),
    "SQLITE_BUSY": (
        "another process holds the store",
        "wait for the other process, or end it: finished answers are kept",
    ),
    "SQLITE_IOERR": (
        "the disk refused to read or write the store",
        "check free space, quota and disk, and run again: finished answers are kept",
    ),
}
_BROKEN["SQLITE_LOCKED"] = _BROKEN["SQLITE_BUSY"]
_UNKNOWN = ("the store could not be read or written", "")


def damaged(path: Path, found: str) -> MachineryError:
    """Say that something in the file is not as it was written."""
    return MachineryError(Problem("the store is damaged", path=str(path), found=found, hint=REPAIR))


def _at(path: Path, error: Exception, message: str, hint: str = "") -> Problem:
    return Problem(message, path=str(path), found=str(error), hint=hint)


T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Yield the items in tuples of `size`; the last one may be shorter."""
    rest = iter(items)
    while chunk := tuple(islice(rest, size)):
        yield chunk
