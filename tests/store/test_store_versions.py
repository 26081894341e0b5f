"""Files of earlier versions open, and what they hold is still found.

`data/store_vN.sql` is a file that version N wrote: one case of two turns on two variants. A new
version adds a dump and leaves the others as they are.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from harness.results import run_from_json, run_to_json
from harness.store import Store, read_judgements, verify
from harness.store.schema import VERSION
from tests.evaluation.engines import ScriptedEngine
from tests.evaluation.worlds import BASE, TUNED, case, go, plan_of

DUMPS = sorted((Path(__file__).parent / "data").glob("store_v*.sql"))


def restored(dump: Path, path: Path) -> Path:
    """The file that the dump was made from."""
    connection = sqlite3.connect(path)
    connection.executescript(dump.read_text(encoding="utf-8"))
    connection.close()
    return path


def test_every_version_has_its_file() -> None:
    assert [dump.stem for dump in DUMPS] == [f"store_v{n}" for n in range(1, VERSION + 1)]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_file_of_each_version_is_brought_up_to_date(tmp_path: Path, dump: Path) -> None:
    path = restored(dump, tmp_path / "db")

    with Store(path) as store:
        assert store.run("run").backend == "scripted"
        assert [(r.variant, r.responses) for r in store.results("run")] == [
            ("base", ("one", "two")),
            ("tuned", ("one", "two")),
        ]
        assert store.recall("m") == [3, 4]
        judged = [row.score for row in read_judgements(store, ["s"])]
        assert judged == ([4] if dump.stem >= "store_v3" else [])

    assert verify(path).faults == ()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()


def test_a_store_that_had_no_judgements_is_read_as_it_is(tmp_path: Path) -> None:
    path = restored(DUMPS[1], tmp_path / "db")

    with Store(path, read_only=True) as store:
        assert read_judgements(store, ["s"]) == ()
        assert store.run("run").backend == "scripted"


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_answers_of_each_version_are_still_found(tmp_path: Path, dump: Path) -> None:
    """The keys have not changed: a GPU hour that was paid for is not paid for twice."""
    path = restored(dump, tmp_path / "db")
    engine = ScriptedEngine()

    counts, _ = go(path, plan_of(engine, case("a", "one", "two"), variants=(BASE, TUNED)), engine)

    assert (counts.generated, counts.cached) == (0, 4)


def test_a_record_with_more_in_it_than_is_known_is_read(tmp_path: Path) -> None:
    """A newer harness of the same schema may say more about a run."""
    path = restored(DUMPS[-1], tmp_path / "db")
    with Store(path) as store:
        row = {**run_to_json(store.run("run")), "mood": "good"}

        assert run_from_json(row) == store.run("run")
