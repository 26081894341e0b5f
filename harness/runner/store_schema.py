"""The tables of the store, and the way from each older version to this one.

`PRAGMA user_version` holds the version, `PRAGMA application_id` says that the file is ours. A
version goes up by one script in `MIGRATIONS`; a released script is never changed.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from harness.errors import InputError, Problem

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
                mend="name another file for the store, or move this one away",
            )
        )
    if version > VERSION:
        raise InputError(
            Problem(
                "the store was written by a newer harness",
                path=str(path),
                found=f"version {version}",
                wanted=f"version {VERSION} or older",
                mend="upgrade the harness, or name another file for the store",
            )
        )
    return version
