"""The journal: what later runs look back on, by key, in the order of writing.

Rates of a run, its noise floor, the nights of a series: small values of JSON that are worth
keeping, unlike a memo. A repair of the store keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from harness.common import JsonValue, canonical_json
from harness.store.schema import damaged, translated
from harness.store.store import Store, checksum_of

_WRITE = """
INSERT INTO journal (key, body, checksum) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET body = excluded.body, checksum = excluded.checksum
"""
_READ = "SELECT key, body, checksum FROM journal WHERE key >= ? AND key < ? ORDER BY id"


def rates_key(run_id: str) -> str:
    """Return the key of a run's rates, which stay when the run is removed."""
    return f"rates/{run_id}"


def write_entry(store: Store, key: str, value: JsonValue) -> None:
    """Write an entry; one with the same key is replaced and keeps its place."""
    body = canonical_json(value)
    with store.transaction() as connection:
        connection.execute(_WRITE, (key, body, checksum_of(key, body)))


def read_entry(store: Store, key: str) -> JsonValue:
    """Return the entry with this key, or None."""
    return read_entries(store, key).get(key)


def read_entries(store: Store, beginning: str) -> dict[str, JsonValue]:
    """Return the entries whose key begins so, in the order of writing.

    Raises MachineryError for an entry that is not as it was written.
    """
    with translated(store.path), store.reading() as connection:
        rows = connection.execute(_READ, (beginning, beginning + "\U0010ffff")).fetchall()
    found: dict[str, JsonValue] = {}
    for key, body, checksum in rows:
        if checksum_of(key, body) != checksum:
            raise damaged(store.path, f"the entry {key!r} of the journal has changed")
        found[key] = json.loads(body)
    return found


def strike_entries(store: Store, keys: Iterable[str]) -> None:
    """Remove entries; those that are not there are passed over."""
    with store.transaction() as connection:
        connection.executemany("DELETE FROM journal WHERE key = ?", [(key,) for key in keys])


def drop_runs(store: Store, run_ids: Iterable[str]) -> None:
    """Remove runs with their results; their answers stay until the store is pruned."""
    with store.transaction() as connection:
        connection.executemany("DELETE FROM runs WHERE id = ?", [(run,) for run in run_ids])
