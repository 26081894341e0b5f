"""A store split by night, and joined again.

A night is a day in UTC: a run belongs to the day on which it began, an answer to the day on which
it was made, as does what a person said of one; an entry of the journal belongs to its run's. Each
row goes into one part and no row is lost, so that joining the parts gives the same answers, runs,
results, entries and judgements again.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.common import InputError, Problem, make_folder
from harness.store.schema import chunks, translated
from harness.store.store import Store, existing_store


@dataclass(frozen=True, slots=True)
class Part:
    """One store of several: what it holds. `night` is a day as in ISO 8601, or empty."""

    path: Path
    night: str
    answers: int
    runs: int
    results: int


ROWS_AT_ONCE = 10_000  # answers in one commit

# The day of a run, and of an entry of the journal: one of a run, which its key ends with, goes with
# it, any other with the newest day.
_RUN_DAY = "substr(json_extract(body, '$.started'), 1, 10)"
_JUDGED_DAY = "substr(json_extract(body, '$.time'), 1, 10)"
_DAYS = f"""
SELECT {_RUN_DAY} FROM source.runs UNION SELECT substr(created, 1, 10) FROM source.completions
UNION SELECT {_JUDGED_DAY} FROM source.judgements ORDER BY 1
"""
_COPY_NIGHT = (
    f"INSERT INTO runs SELECT * FROM source.runs WHERE {_RUN_DAY} = :day",
    "INSERT INTO results SELECT * FROM source.results WHERE run IN (SELECT seq FROM runs)",
    "INSERT INTO journal SELECT * FROM source.journal AS entry WHERE coalesce("
    f"(SELECT {_RUN_DAY} FROM source.runs AS run "
    "WHERE substr(entry.key, -length(run.id)) = run.id), :newest) = :day",
    f"INSERT INTO judgements SELECT * FROM source.judgements WHERE {_JUDGED_DAY} = :day",
    "INSERT INTO memos SELECT * FROM source.memos WHERE :day = :newest",
)
_ANSWERS = "SELECT substr(created, 1, 10), * FROM completions ORDER BY id"
_PUT_ANSWER = "INSERT INTO completions VALUES (?, ?, ?, ?, ?, ?)"
_CLASH = """
SELECT mine.id FROM runs AS mine JOIN source.runs AS other ON other.id = mine.id
WHERE mine.checksum <> other.checksum LIMIT 1
"""
_JOIN = (
    "INSERT OR IGNORE INTO completions (key, body, meta, created, checksum) "
    "SELECT key, body, meta, created, checksum FROM source.completions ORDER BY id",
    # Of a run it is known after which answer it began: one of its own part, else those before it.
    "INSERT INTO runs (id, body, checksum, after) SELECT id, body, checksum, coalesce("
    "(SELECT max(mine.id) FROM completions AS mine JOIN source.completions AS other "
    "ON other.key = mine.key WHERE other.id <= run.after AND mine.id > :before), :before) "
    "FROM source.runs AS run WHERE id NOT IN (SELECT id FROM runs) ORDER BY seq",
    "INSERT OR IGNORE INTO results (run, position, cached, seconds, keys, body, checksum) "
    "SELECT mine.seq, position, cached, seconds, keys, result.body, result.checksum "
    "FROM source.results AS result JOIN source.runs AS other ON other.seq = result.run "
    "JOIN runs AS mine ON mine.id = other.id ORDER BY result.id",
    "INSERT OR IGNORE INTO journal (key, body, checksum) "
    "SELECT key, body, checksum FROM source.journal ORDER BY id",
    "INSERT OR IGNORE INTO judgements (key, body, checksum) "
    "SELECT key, body, checksum FROM source.judgements ORDER BY id",
    "INSERT OR IGNORE INTO memos SELECT * FROM source.memos",
)


def split_by_night(path: Path, folder: Path) -> tuple[Part, ...]:
    """Write one store for each night into `folder`, oldest first; the store itself stays.

    Raises InputError where there is no store, and where a part would replace a file.
    """
    existing_store(path).close()  # brings it to this version
    make_folder(folder)
    with Store(path) as whole, whole.reading() as connection:
        days = [row[0] for row in connection.execute(_DAYS.replace("source.", ""))]
    places = [folder / f"{day}.db" for day in days]
    if taken := [place for place in places if place.exists()]:
        hint = "name an empty folder"
        raise InputError(Problem("a part would replace this file", str(taken[0]), hint=hint))
    # Under other names until all is there: half a part must not look like a whole one.
    unfinished = [folder / f".{day}.db.part" for day in days]
    try:
        with ExitStack() as stack:
            for file in unfinished:
                _remove(file)
            parts = {
                day: stack.enter_context(Store(file))
                for day, file in zip(days, unfinished, strict=True)
            }
            for day, part in parts.items():
                with _beside(part, path) as connection:
                    connection.execute("BEGIN IMMEDIATE")
                    for statement in _COPY_NIGHT:
                        connection.execute(statement, {"day": day, "newest": days[-1]})
                    connection.execute("COMMIT")
            whole = stack.enter_context(Store(path))
            with whole.reading() as connection:
                answers = connection.execute(_ANSWERS)
                for some in chunks(answers, ROWS_AT_ONCE):
                    by_day: defaultdict[str, list[tuple[object, ...]]] = defaultdict(list)
                    for day, *row in some:
                        by_day[day].append(tuple(row))
                    for day, rows in by_day.items():
                        with parts[day].transaction() as writing:
                            writing.executemany(_PUT_ANSWER, rows)
            counted = [_counted(part, day) for day, part in parts.items()]
        for file, place in zip(unfinished, places, strict=True):
            file.rename(place)
    except BaseException:
        for file in unfinished:
            _remove(file)
        raise
    return tuple(replace(part, path=at) for part, at in zip(counted, places, strict=True))


def join_stores(paths: Sequence[Path], into: Path) -> Part:
    """Write one store with everything that these hold, in the order given; they stay.

    What several hold alike is there once; of two answers with one key the first stays. Raises
    InputError for a file that is no store, for an `into` that exists, and for two runs with one id
    that differ.
    """
    if into.exists():
        hint = "name a new file: joining adds to no store"
        raise InputError(Problem("there is a file already", str(into), hint=hint))
    for path in paths:
        existing_store(path).close()
    try:
        with Store(into) as joined:
            for path in paths:
                with _beside(joined, path) as connection:
                    if clash := connection.execute(_CLASH).fetchone():
                        raise InputError(
                            Problem(
                                f"run {clash[0]} is in an earlier store too, and differs",
                                path=str(path),
                                hint="one of both is not finished: leave that store out",
                            )
                        )
                    query = "SELECT coalesce(max(id), 0) FROM completions"
                    before = int(connection.execute(query).fetchone()[0])
                    connection.execute("BEGIN IMMEDIATE")
                    for statement in _JOIN:
                        names = {"before": before} if ":before" in statement else {}
                        connection.execute(statement, names)
                    connection.execute("COMMIT")
            return _counted(joined, "")
    except BaseException:
        _remove(into)
        raise


def _remove(file: Path) -> None:
    """Remove a store that was begun, with its log."""
    for ending in ("", "-wal", "-shm"):
        Path(f"{file}{ending}").unlink(missing_ok=True)


@contextmanager
def _beside(store: Store, path: Path) -> Iterator[sqlite3.Connection]:
    """Give the connection of a store in which the file at `path` is attached as `source`."""
    with translated(path):
        connection = store.connection
        connection.execute("ATTACH DATABASE ? AS source", (str(path),))
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute("DETACH DATABASE source")


def _counted(store: Store, night: str) -> Part:
    with store.reading() as connection:
        answers, runs, results = (
            int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
            for name in ("completions", "runs", "results")
        )
    return Part(store.path, night, answers, runs, results)
