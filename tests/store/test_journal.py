"""The journal: small values that are kept, in order, and survive a repair."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from harness.common import MachineryError
from harness.store import (
    Store,
    drop_runs,
    read_entries,
    read_entry,
    repair,
    strike_entries,
    verify,
    write_entry,
)
from tests.evaluation.worlds import record


def test_entries_are_read_in_the_order_of_writing(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        for key in ("night/b", "night/a", "rates/x", "night/b"):
            write_entry(store, key, {"said": key})

        assert list(read_entries(store, "night/")) == ["night/b", "night/a"]
        assert read_entry(store, "rates/x") == {"said": "rates/x"}
        assert read_entry(store, "rates/") is None


def test_an_entry_is_replaced_and_struck(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        write_entry(store, "a", 1)
        write_entry(store, "a", 2)
        assert read_entry(store, "a") == 2

        strike_entries(store, ["a", "b"])
        assert read_entries(store, "") == {}


def test_a_changed_entry_is_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with Store(path) as store:
        write_entry(store, "a", 1)
        with store.transaction() as connection:
            connection.execute("UPDATE journal SET body = '2'")

        with pytest.raises(MachineryError, match="the entry 'a' of the journal has changed"):
            read_entry(store, "a")

    assert verify(path).faults == ("journal: row 1 has changed",)


def test_a_repair_keeps_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with Store(path) as store:
        write_entry(store, "a", [1, 2])

    assert repair(path).kept["journal"] == 1
    with Store(path) as store:
        assert read_entry(store, "a") == [1, 2]


def test_a_file_without_a_journal_is_verified(tmp_path: Path) -> None:
    path = tmp_path / "db"
    connection = sqlite3.connect(path)
    dump = Path(__file__).parent / "data" / "store_v1.sql"
    connection.executescript(dump.read_text(encoding="utf-8"))
    connection.close()

    assert verify(path).faults == ()
    assert repair(path).lost["journal"] == 0


def test_runs_are_dropped_by_name(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        for name in ("one", "two"):
            store.start_run(record(name))

        drop_runs(store, ["one", "none"])
        assert [run.id for run in store.runs()] == ["two"]
