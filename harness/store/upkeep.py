"""Care of the store: what is in it, what may go, what is damaged, what can be saved."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem
from harness.store.schema import chunks, translated, version_of
from harness.store.store import Store, checksum_of

FAULTS_SHOWN = 20
STEPS = 10_000  # ids tried one by one behind a damaged page; then in ever larger steps
LAST_ID = 2**62
SMALLEST_ROW = 16  # bytes; each holds a checksum
ROWS_PER_COMMIT = 500


@dataclass(frozen=True, slots=True)
class Share:
    """The answers of one model and adapter; `bytes` is their text, without indexes."""

    model: str
    adapter: str | None
    answers: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The results of one suite in a run, and the tokens that they took."""

    suite: str
    results: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What a store holds; `bytes` is the size of the file with its log."""

    path: Path
    bytes: int
    answers: int
    runs: int
    results: int
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, and how many bytes smaller the file is."""

    runs: int
    answers: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Verification:
    """Rows that were read and found whole, and what is wrong, in words (some of it, if much)."""

    rows: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """Rows kept and lost, by table; `damaged` is where the damaged file is now."""

    kept: dict[str, int]
    lost: dict[str, int]
    damaged: Path


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    identity: str
    key: str
    columns: tuple[str, ...]

    @property
    def query(self) -> str:
        """Select rows behind an id: the id, what the checksum covers, the checksum, all columns."""
        head = (self.identity, self.key, "body", "checksum", *self.columns)
        rest = f"FROM {self.name} WHERE {self.identity} > ? ORDER BY {self.identity}"
        return f"SELECT {', '.join(head)} {rest}"

    @property
    def insert(self) -> str:
        """Add a row, unless its key is taken, or its run is not there."""
        known = "run IN (SELECT seq FROM runs)" if self.name == "results" else "true"
        columns = ", ".join(self.columns)
        values = ", ".join(f"? AS {column}" for column in self.columns)
        return (
            f"INSERT OR IGNORE INTO {self.name} ({columns}) "
            f"SELECT {columns} FROM (SELECT {values}) WHERE {known}"
        )


_TABLES = (
    _Table("completions", "id", "key", ("id", "key", "body", "meta", "created", "checksum")),
    _Table("runs", "seq", "id", ("seq", "id", "body", "after", "checksum")),
    _Table(
        "results",
        "id",
        "position",
        ("id", "run", "position", "cached", "seconds", "keys", "body", "checksum"),
    ),
    _Table("journal", "id", "key", ("id", "key", "body", "checksum")),
    _Table("judgements", "id", "key", ("id", "key", "body", "checksum")),
)


_NAMES = tuple(table.name for table in _TABLES)


def stats(store: Store) -> Stats:
    """Say what the store holds, and whose answers they are, the largest share first."""
    with store.reading() as connection:
        counts = [
            int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
            for name in ("completions", "runs", "results")
        ]
        shares = connection.execute(
            "SELECT json_extract(meta, '$.model'), json_extract(meta, '$.adapter'), count(*), "
            "sum(length(body)) FROM completions GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2"
        ).fetchall()
    answers, runs, results = counts
    return Stats(
        path=store.path,
        bytes=_size(store.path),
        answers=answers,
        runs=runs,
        results=results,
        shares=tuple(Share(model or "", adapter, n, size) for model, adapter, n, size in shares),
    )


def usage_of(store: Store, run_id: str) -> tuple[Usage, ...]:
    """Sum up the tokens of a run by suite; results that were not judged are left out."""
    with store.reading() as connection:
        rows = connection.execute(
            "SELECT json_extract(body, '$.suite'), count(*), "
            "sum(json_extract(body, '$.prompt_tokens')), "
            "sum(json_extract(body, '$.completion_tokens')) FROM results "
            "WHERE run = (SELECT seq FROM runs WHERE id = ?) "
            "AND json_extract(body, '$.outcome') IN ('pass', 'fail') GROUP BY 1 ORDER BY 1",
            (run_id,),
        ).fetchall()
    return tuple(Usage(*row) for row in rows)


class _OnlyTried(Exception):
    """Undoes a transaction that was only to tell what it would do."""


def prune(store: Store, keep_runs: int, *, dry_run: bool = False) -> Pruned:
    """Drop all runs but the newest `keep_runs`, and the answers that none of those needs.

    `dry_run` only counts them.

    Answers that came after the oldest kept run began stay, used or not: a run that was killed has
    no results for them yet. What people said of answers stays as well.
    """
    before, runs, answers = _size(store.path), 0, 0
    with suppress(_OnlyTried), store.transaction() as connection:
        old = "SELECT seq FROM runs ORDER BY seq DESC LIMIT -1 OFFSET ?"
        runs = connection.execute(f"DELETE FROM runs WHERE seq IN ({old})", (keep_runs,)).rowcount
        answers = connection.execute(
            "DELETE FROM completions WHERE key NOT IN "
            "(SELECT value FROM results, json_each(results.keys)) "
            "AND id <= coalesce((SELECT min(after) FROM runs), id)"
        ).rowcount
        if dry_run:
            raise _OnlyTried
    if dry_run:
        return Pruned(runs, answers, 0)
    store.compact()
    return Pruned(runs, answers, before - _size(store.path))


def verify(path: Path) -> Verification:
    """Read every page and every row; raises InputError where there is no store."""
    with translated(path), closing(_open(path)) as connection:
        try:  # what SQLite itself finds wrong with pages and indexes
            found = connection.execute(f"PRAGMA integrity_check({FAULTS_SHOWN})").fetchall()
            faults = [" ".join(text.split()) for (text,) in found if text != "ok"]
        except sqlite3.DatabaseError as error:
            faults = [str(error)]
        whole = 0
        for table in _TABLES:
            for row in _readable(connection, table):
                if not isinstance(row, int) and _whole(row):
                    whole += 1
                elif len(faults) < FAULTS_SHOWN:
                    fault = (
                        f"row {row} cannot be read"
                        if isinstance(row, int)
                        else f"row {row[0]} has changed"
                    )
                    faults.append(f"{table.name}: {fault}")
    return Verification(whole, tuple(faults[:FAULTS_SHOWN]))


def repair(path: Path) -> Repair:
    """Copy what can be read and is whole into a new file, and put it in the damaged one's place.

    The damaged file is kept beside it. Raises MachineryError while another process has the store
    open, and InputError where nothing can be saved because the file's beginning is lost.
    """
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    aside = next(name for name in names if not name.exists())
    fresh = path.with_name(f"{path.name}.repaired")
    for ending in ("", "-wal", "-shm"):
        Path(f"{fresh}{ending}").unlink(missing_ok=True)
    with translated(path):
        with closing(_open(path)) as connection:
            # Fails unless nobody else has the file open; then nobody else can open it, as in this
            # mode the lock is kept until the file is closed.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            kept, lost = _copy(connection, fresh)
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.replace(f"{path}{ending}", f"{aside}{ending}")
        os.replace(fresh, path)
    return Repair(kept, lost, aside)


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise InputError(Problem("there is no store", path=str(path)))
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    # Without this SQLite reads nothing at all of a file that was cut off.
    connection.execute("PRAGMA writable_schema = ON")
    try:
        version_of(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _readable(connection: sqlite3.Connection, table: _Table) -> Iterator[tuple[Any, ...] | int]:
    """Yield all rows that can be read, and the ids where one was, or may have been, that cannot.

    It ends on any file: ids only rise, and no more rows come than the file has room for.
    """
    query = "SELECT 1 FROM sqlite_master WHERE name = ?"
    with suppress(sqlite3.DatabaseError):  # a damaged file may hold any table
        if connection.execute(query, (table.name,)).fetchone() is None:
            return  # not in this version of the schema
    page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
    pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
    most = page_size * pages // SMALLEST_ROW
    last = 0
    while True:
        try:
            for row in connection.execute(table.query, (last,)):
                most -= 1
                if most < 0:
                    return  # pages that point at each other
                yield row
                # Never back: on a damaged page rows may stand in any order.
                last = max(last, row[0]) if isinstance(row[0], int) else last
            return
        except sqlite3.DatabaseError:
            beyond = _beyond(connection, table, last)
            yield from range(last + 1, min(beyond or last + 1, last + STEPS) + 1)
            if beyond is None:
                return
            last = beyond


def _beyond(connection: sqlite3.Connection, table: _Table, last: int) -> int | None:
    """Find an id behind which rows can be read again; None where there is none."""
    for step in chain(range(1, STEPS), (STEPS * 2**power for power in count())):
        if last + step > LAST_ID:
            return None
        try:
            found = connection.execute(f"{table.query} LIMIT 1", (last + step,)).fetchone()
        except sqlite3.DatabaseError:
            continue
        return last + step if found else None
    return None


def _whole(row: tuple[Any, ...]) -> bool:
    """Return whether a row is as it was written."""
    _, key, body, checksum = row[:4]
    return isinstance(body, str) and checksum_of(key, body) == checksum


def _copy(connection: sqlite3.Connection, fresh: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Copy whole rows; return those kept and lost by table. A result whose run is lost is lost."""
    kept, lost = dict.fromkeys(_NAMES, 0), dict.fromkeys(_NAMES, 0)
    with Store(fresh) as store:
        for table in _TABLES:
            places = 0  # where rows were looked for
            for some in chunks(_readable(connection, table), ROWS_PER_COMMIT):
                places += len(some)
                good = [row[4:] for row in some if not isinstance(row, int) and _whole(row)]
                with store.transaction() as new:
                    before = new.total_changes
                    new.executemany(table.insert, good)
                    kept[table.name] += new.total_changes - before
            # SQLite counts in an index, which may be whole where rows are not.
            with suppress(sqlite3.DatabaseError):
                found = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
                places = max(int(found[0]), 0)
            lost[table.name] = places - kept[table.name]
    return kept, lost


def _size(path: Path) -> int:
    files = (Path(f"{path}{ending}") for ending in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
