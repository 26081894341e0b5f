"""The store: one SQLite file that holds every answer, run and result.

Answers are found by their content key, so no answer is made twice and none is mixed up with
another model's. A method that has returned has its rows on disk (write-ahead log, one fsync per
commit): what was reported as done survives `kill -9` and a power cut. Several processes may use
one file at once; a `Store` itself belongs to the thread that opened it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.backends import Completion
from harness.common import (
    InputError,
    JsonValue,
    Problem,
    ToolCall,
    canonical_json,
    flat_dict,
    make_folder,
    nearest,
)
from harness.results import (
    Result,
    RunInfo,
    restored,
    result_from_json,
    result_to_json,
    run_from_json,
    run_to_json,
    timing_of,
)
from harness.store.schema import chunks, damaged, demand_readable, migrate, translated

_ROW = json.JSONEncoder(allow_nan=False)
BUSY_SECONDS = 30.0  # a commit takes milliseconds; whoever holds the file longer is stuck
KEYS_PER_QUERY = 500  # SQLite takes at least 999 parameters everywhere
CACHE_KIB = 65_536  # of SQLite's pages: the index of keys of a million answers
LOG_PAGES = 8_192  # of the write-ahead log, 32 MiB, before they are folded into the file
ROWS_PER_PAGE = 500  # results are read in pages: a long read would stop the log from shrinking


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer on its way into the store; `meta` says where it came from, for people."""

    key: str
    completion: Completion
    meta: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One result on its way into the store.

    `position` orders the results of a run; `keys` are those of the answers it was made from.
    """

    position: int
    result: Result
    keys: tuple[str, ...] = ()


class Store:
    """One SQLite file; made, with its folder, when it is not there.

    Raises InputError for a file that is not a store, is newer than this harness or cannot be
    written, and MachineryError for a damaged file, a full disk or a lock that is never given back.

    `read_only` neither makes the file nor brings it to this version: an older harness may be
    writing it. Raises InputError for one that is too old to be read so.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.damaged_rows = 0
        with translated(path):
            if path.exists() and not path.is_file():  # SQLite would write into a device
                hint = "name a file: --store DIR/store.db"
                raise InputError(Problem("the store is no file", str(path), hint=hint))
            if not read_only:
                make_folder(path.parent)
            self._connection = sqlite3.connect(
                path.absolute().as_uri() + ("?mode=ro" if read_only else ""),
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
            )
            try:
                if read_only:
                    demand_readable(self._connection, path)
                else:
                    _prepare(self._connection, path)
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """Return the connection itself, for what no transaction may hold: ATTACH, say."""
        return self._connection

    def close(self) -> None:
        """Close the file; the last process to do so folds the log into it."""
        with translated(self.path):
            self._connection.close()

    def completion(self, key: str) -> Completion | None:
        """Return the answer with this key, or None."""
        return self.completions([key]).get(key)

    def completions(self, keys: Iterable[str]) -> dict[str, Completion]:
        """Return the answers that are there, by key.

        A row that is not as it was written counts as missing, and in `damaged_rows`.
        """
        found, damaged_keys = self._read(keys)
        self.damaged_rows += len(damaged_keys)
        return found

    def put(
        self, key: str, completion: Completion, meta: Mapping[str, JsonValue] | None = None
    ) -> Completion:
        """Keep one answer; see `put_many`."""
        return self.put_many([Entry(key, completion, meta or {})])[0]

    def put_many(self, entries: Sequence[Entry]) -> list[Completion]:
        """Keep answers in one commit, and give back what the store now holds for their keys.

        Where another process was first, its answer stays and is given back, so that all who ask
        see one answer.
        """
        with self.transaction() as connection:
            kept, _ = self._read([entry.key for entry in entries])
            new: dict[str, Entry] = {}
            for entry in entries:
                if entry.key not in kept:
                    new.setdefault(entry.key, entry)
            created = datetime.now(UTC).isoformat(timespec="seconds")
            rows = []
            for key, entry in new.items():
                body = canonical_json(_completion_to_json(entry.completion))
                origin = canonical_json(dict(entry.meta))
                rows.append((key, body, origin, created, checksum_of(key, body)))
            connection.executemany(_PUT, rows)
        kept.update((key, entry.completion) for key, entry in new.items())
        return [kept[entry.key] for entry in entries]

    def recall(self, key: str) -> JsonValue:
        """Return what `remember` kept under this key, or None; of no weight, unlike an answer."""
        with translated(self.path):
            row = self._connection.execute(
                "SELECT body FROM memos WHERE key = ?", (key,)
            ).fetchone()
        value: JsonValue = json.loads(row[0]) if row else None
        return value

    def remember(self, key: str, value: JsonValue) -> None:
        """Keep a small fact that is costly to find out again."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO memos VALUES (?, ?)", (key, canonical_json(value))
            )

    def start_run(self, info: RunInfo) -> None:
        """Record a run that begins; earlier results under its id go, its answers stay."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (info.id,))
            connection.execute(
                "INSERT INTO runs (id, body, checksum, after) "
                "VALUES (?, ?, ?, (SELECT coalesce(max(id), 0) FROM completions))",
                _run_row(info),
            )

    def drop_run(self, run_id: str) -> None:
        """Remove a run with its results; the answers stay, and what was said of it."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def finish_run(self, info: RunInfo) -> None:
        """Record what a run was, now that it has ended; `info.finished` says whether it did."""
        run_id, body, checksum = _run_row(info)
        self._sequence(run_id)
        with self.transaction() as connection:
            connection.execute(
                "UPDATE runs SET body = ?, checksum = ? WHERE id = ?", (body, checksum, run_id)
            )

    def put_result(
        self, run_id: str, position: int, result: Result, keys: tuple[str, ...] = ()
    ) -> None:
        """Keep one result; see `put_results`."""
        self.put_results(run_id, [ResultRow(position, result, keys)])

    def put_results(self, run_id: str, rows: Sequence[ResultRow]) -> None:
        """Keep results in one commit; one at the same position of the run is replaced."""
        sequence, written = self._sequence(run_id), []
        for row in rows:
            result = row.result
            body = _ROW.encode({**result_to_json(result), **timing_of(result)})
            place = (sequence, row.position, result.cached, result.seconds)
            checksum = checksum_of(row.position, body)
            written.append((*place, json.dumps(row.keys), body, checksum))
        with self.transaction() as connection:
            connection.executemany(_PUT_RESULT, written)

    def results(self, run_id: str) -> Iterator[Result]:
        """Yield the results of a run in their order, in pages: memory does not grow with them."""
        sequence, last = self._sequence(run_id), -1
        while True:
            with translated(self.path):
                page = self._connection.execute(_RESULTS, (sequence, last)).fetchall()
            if not page:
                return
            for position, cached, seconds, body, checksum in page:
                if checksum_of(position, body) != checksum:
                    raise damaged(self.path, f"result {position} of run {run_id} has changed")
                yield result_from_json(json.loads(body), cached=bool(cached), seconds=seconds)
                last = position
            page.clear()  # before the next one is read

    def size_of(self, run_id: str) -> int:
        """Count the characters of all results of a run, as they are stored."""
        sequence = self._sequence(run_id)
        with translated(self.path):
            found = self._connection.execute(
                "SELECT sum(length(body)) FROM results WHERE run = ?", (sequence,)
            ).fetchone()
        return int(found[0] or 0)

    def run(self, run_id: str) -> RunInfo:
        """Read the record of a run; raises InputError for an id that is not in the store."""
        return self._one("id = ?", (run_id,)) or self._unknown(run_id)

    def runs(self) -> list[RunInfo]:
        """Read the records of all runs, newest first (by the order of starting, not the clock)."""
        with translated(self.path):
            rows = self._connection.execute(
                "SELECT id, body, checksum FROM runs ORDER BY seq DESC"
            ).fetchall()
        return [self._record(*row) for row in rows]

    def latest(self) -> RunInfo | None:
        """Read the record of the run that was started last, or return None."""
        return self._one("seq = (SELECT max(seq) FROM runs)", ())

    def _read(self, keys: Iterable[str]) -> tuple[dict[str, Completion], list[str]]:
        """Read the whole answers, and the keys of the damaged ones."""
        found: dict[str, Completion] = {}
        changed: list[str] = []
        with translated(self.path):
            for some in chunks(keys, KEYS_PER_QUERY):
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(
                    f"SELECT key, body, checksum FROM completions WHERE key IN ({marks})", some
                )
                for key, body, checksum in rows:
                    if checksum_of(key, body) == checksum:
                        fields = json.loads(body)
                        calls = tuple(ToolCall.read(call) for call in fields.pop("tool_calls", ()))
                        found[key] = Completion(**fields, tool_calls=calls)
                    else:
                        changed.append(key)
        return found, changed

    def _one(self, where: str, values: tuple[object, ...]) -> RunInfo | None:
        with translated(self.path):
            row = self._connection.execute(
                f"SELECT id, body, checksum FROM runs WHERE {where}", values
            ).fetchone()
        return self._record(*row) if row else None

    def _record(self, run_id: str, body: str, checksum: str) -> RunInfo:
        if checksum_of(run_id, body) != checksum:
            raise damaged(self.path, f"the record of run {run_id} has changed")
        return run_from_json(json.loads(body), str(self.path))

    def _sequence(self, run_id: str) -> int:
        with translated(self.path):
            row = self._connection.execute(
                "SELECT seq FROM runs WHERE id = ?", (run_id,)
            ).fetchone()
        return int(row[0]) if row else self._unknown(run_id)

    def _unknown(self, run_id: str) -> Any:
        with translated(self.path):
            known = [str(row[0]) for row in self._connection.execute("SELECT id FROM runs")]
        raise InputError(
            Problem(
                f"run {run_id!r} is not in the store",
                path=str(self.path),
                did_you_mean=nearest(run_id, known),
                hint="`harness runs` lists the runs",
            )
        )

    def compact(self) -> None:
        """Give the room of what was deleted back to the disk."""
        with translated(self.path):
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give one view of the file for several queries."""
        with translated(self.path):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what is done inside, or nothing of it.

        The lock is taken at once, so that no reader has to become a writer.
        """
        with translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


_PUT = """
INSERT INTO completions (key, body, meta, created, checksum) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET body = excluded.body, meta = excluded.meta,
    created = excluded.created, checksum = excluded.checksum
"""
_PUT_RESULT = """
INSERT INTO results (run, position, cached, seconds, keys, body, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run, position) DO UPDATE SET cached = excluded.cached,
    seconds = excluded.seconds, keys = excluded.keys, body = excluded.body,
    checksum = excluded.checksum
"""
_RESULTS = f"""
SELECT position, cached, seconds, body, checksum FROM results WHERE run = ? AND position > ?
ORDER BY position LIMIT {ROWS_PER_PAGE}
"""


def checksum_of(key: str | int, body: str) -> str:
    """Return 64 bits over a row's key and body: they tell a row that the disk has changed."""
    return hashlib.blake2b(f"{key}\n{body}".encode(), digest_size=8).hexdigest()


def _run_row(info: RunInfo) -> tuple[str, str, str]:
    body = canonical_json(run_to_json(info))
    return info.id, body, checksum_of(info.id, body)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to this version, and to the write-ahead log."""
    is_other = connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal"
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # Keys are digests: new answers go everywhere into their index. Kept in memory, and written back
    # rarely, it costs a large store no more for an answer than a small one.
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    migrate(connection, path)
    deadline = time.monotonic() + BUSY_SECONDS
    while is_other:  # SQLite does not wait for others here, so we do
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


# Characters of stored rows. Some 15,000 results of short answers; as values they take 60 MB.
MOST = 12_000_000


class Recalled:
    """The results of a run in their order, from the start each time, once all are stored.

    Those that were taken as they were stored are not read. Those of a large run are read from the
    store each time, and never all in memory.
    """

    def __init__(self, store: Store, run_id: str, most: int = MOST) -> None:
        self._store, self._run_id, self._most = store, run_id, most
        self._taken: dict[int, Result] = {}  # by position
        self._room = most
        self.kept: tuple[Result, ...] | None = None

    def take(self, position: int, result: Result) -> None:
        """Keep a result that was just stored, unless they become too many."""
        self._room -= sum(map(len, result.responses))
        self._room -= sum(len(message["content"]) for message in result.prompt)
        if self._room < 0:
            self._taken.clear()
        else:
            self._taken[position] = restored(result)

    def __iter__(self) -> Iterator[Result]:
        if self.kept is None and self._store.size_of(self._run_id) <= self._most:
            found = [self._taken[position] for position in sorted(self._taken)]
            whole = len(found) == count_results(self._store, self._run_id)
            self.kept = tuple(found if whole else self._store.results(self._run_id))
        self._taken.clear()
        return self._store.results(self._run_id) if self.kept is None else iter(self.kept)


class RunNotFoundError(InputError):
    """No run is called so, or there is no store yet."""


class RunRemovedError(RunNotFoundError):
    """The run was there, and was removed from the store."""


def existing_store(path: Path, *, read_only: bool = False) -> Store:
    """Open the store at this path; raises RunNotFoundError where there is none, and makes none."""
    if not path.exists():
        raise RunNotFoundError(
            Problem(
                "there is no store here: nothing was run yet",
                path=str(path),
                hint="`harness run` makes it; --store FILE names another",
            )
        )
    return Store(path, read_only=read_only)


def count_results(store: Store, run_id: str) -> int:
    """Count the results that the store holds of a run."""
    with store.reading() as connection:
        query = "SELECT count(*) FROM results WHERE run = (SELECT seq FROM runs WHERE id = ?)"
        return int(connection.execute(query, (run_id,)).fetchone()[0])


def _completion_to_json(completion: Completion) -> dict[str, JsonValue]:
    """Return its fields; those that came later are left out where they say nothing."""
    kept = {
        name: value
        for name, value in flat_dict(completion).items()
        if name not in _LATER or value != _LATER[name]
    }
    if completion.tool_calls:
        kept["tool_calls"] = [call.as_json() for call in completion.tool_calls]
    return kept


_LATER: Mapping[str, object] = {
    "tool_calls": (),
    "reasoning": "",
    "reasoning_tokens": None,
    "first_token": None,
    "machine": "",
    "counted": True,
}
