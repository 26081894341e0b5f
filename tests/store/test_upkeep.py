"""Care of the store: faults made for real, and what is saved from them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends import Completion
from harness.common import InputError, MachineryError, Variant
from harness.store import Entry, Pruned, Share, Store, Verification, prune, repair, stats, verify
from tests.evaluation.engines import ScriptedEngine
from tests.evaluation.worlds import BASE, TUNED, case, go, plan_of, record

ANSWERS = 400
PAGE = 4096


def filled(path: Path) -> dict[str, Completion]:
    """A store with many answers, a run and its result; the answers by key."""
    answers = {f"key-{n:04}": Completion(f"answer {n} " * 60, "stop") for n in range(ANSWERS)}
    with Store(path) as store:
        store.put_many([Entry(key, answer) for key, answer in answers.items()])
    go(path, plan_of(ScriptedEngine(), case("a")), ScriptedEngine())
    return answers


def damage(path: Path, offset: int, junk: bytes) -> None:
    """Overwrite a part of the file."""
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(junk)


def page_with(path: Path, text: str) -> int:
    """Where the page that holds this text begins."""
    return path.read_bytes().index(text.encode()) // PAGE * PAGE


def test_a_whole_store_has_no_faults(tmp_path: Path) -> None:
    filled(tmp_path / "db")

    assert verify(tmp_path / "db") == Verification(rows=ANSWERS + 3, faults=())


def test_a_changed_answer_is_found_and_is_made_again(tmp_path: Path) -> None:
    """One flipped bit, which SQLite itself does not see."""
    path = tmp_path / "db"
    filled(path)
    damage(path, path.read_bytes().index(b"answer 7 "), b"Answer")

    assert verify(path) == Verification(ANSWERS + 2, ("completions: row 8 has changed",))
    with Store(path) as store:
        assert store.completion("key-0007") is None
        store.put("key-0007", Completion("anew", "stop"))
        assert store.completion("key-0007") == Completion("anew", "stop")


def test_a_changed_result_is_an_error_and_never_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "db"
    filled(path)
    damage(path, path.read_bytes().rindex(b'"outcome": "pass"'), b'"outcome": "fail"')

    with Store(path) as store, pytest.raises(MachineryError) as error:
        list(store.results("run"))

    assert str(error.value) == (
        f"{path}: the store is damaged\n"
        "  found: result 0 of run run has changed\n"
        "  hint: run `harness cache verify --repair`: it keeps everything that can still be read"
    )


def test_a_corrupt_page_is_said_and_the_rest_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "db"
    answers = filled(path)
    damage(path, page_with(path, "answer 100 "), b"\xa5" * PAGE)
    damaged_bytes = path.read_bytes()

    assert verify(path).faults
    with Store(path) as store, pytest.raises(MachineryError, match="the store is damaged"):
        store.completions(answers)
    done = repair(path)

    assert done.damaged == tmp_path / "db.damaged-1"
    assert done.damaged.read_bytes() == damaged_bytes
    assert done.kept["completions"] + done.lost["completions"] == ANSWERS + 1
    assert 1 <= done.lost["completions"] <= 8  # those of one page
    assert (done.kept["runs"], done.lost["runs"]) == (1, 0)
    assert (done.kept["results"], done.lost["results"]) == (1, 0)
    assert verify(path).faults == ()
    with Store(path) as store:
        found = store.completions(answers)
        assert len(found) == ANSWERS - done.lost["completions"]
        assert all(answers[key] == answer for key, answer in found.items())
        assert [result.case for result in store.results("run")] == ["a"]


def test_rows_out_of_order_do_not_hold_the_reader(tmp_path: Path) -> None:
    """Old rows stand before a page that cannot be read: going on behind them came here again."""
    path = tmp_path / "db"
    filled(path)
    broken = page_with(path, "answer 300 ")
    before = next(
        at for n in range(299, 0, -1) if (at := page_with(path, f"answer {n} ")) != broken
    )
    early = page_with(path, "answer 100 ")
    damage(path, before, path.read_bytes()[early : early + PAGE])
    damage(path, broken, b"\xa5" * PAGE)

    assert verify(path).faults
    assert repair(path).kept["completions"] > ANSWERS // 2
    assert verify(path).faults == ()


def test_a_file_that_was_cut_off_is_said_and_its_beginning_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "db"
    answers = filled(path)
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.truncate(size * 2 // 3)

    assert verify(path).faults
    done = repair(path)

    assert ANSWERS // 3 < done.kept["completions"] < ANSWERS
    with Store(path) as store:
        found = store.completions(answers)
        assert all(answers[key] == answer for key, answer in found.items())
        store.put("new", Completion("works", "stop"))


def test_a_write_that_was_cut_off_loses_only_what_was_never_reported(tmp_path: Path) -> None:
    """The log ends in the middle of a commit, as after a power cut."""
    path = tmp_path / "db"
    store = Store(path)
    store.put("first", Completion("kept", "stop"))
    log = Path(f"{path}-wal")
    reported = log.stat().st_size
    store.put("second", Completion("not on disk yet", "stop"))
    image = path.read_bytes(), log.read_bytes()[: reported + 1000]
    store.close()
    other = tmp_path / "after-the-cut"
    other.write_bytes(image[0])
    Path(f"{other}-wal").write_bytes(image[1])

    with Store(other) as recovered:
        assert recovered.completion("first") == Completion("kept", "stop")
        assert recovered.completion("second") is None
    assert verify(other).faults == ()


def test_a_store_whose_beginning_is_lost_is_said(tmp_path: Path) -> None:
    path = tmp_path / "db"
    filled(path)
    damage(path, 0, b"\xa5" * PAGE)
    said = (
        f"{path}: this file is not a store, or its beginning is lost\n"
        "  found: file is not a database\n"
        "  hint: move the file away: the next run begins a new store; "
        "answers under reports/ remain"
    )

    for attempt in (Store, verify, repair):
        with pytest.raises(InputError) as error:
            attempt(path)
        assert str(error.value) == said


def test_a_store_in_use_is_not_repaired(tmp_path: Path) -> None:
    path = tmp_path / "db"
    answers = filled(path)
    with Store(path) as user:
        user.completion("key-0001")
        with pytest.raises(MachineryError) as error:
            repair(path)

    assert str(error.value) == (
        f"{path}: another process holds the store\n"
        "  found: database is locked\n"
        "  hint: wait for the other process, or end it: finished answers are kept"
    )
    with Store(path) as store:
        assert len(store.completions(answers)) == ANSWERS


def test_no_store_is_made_where_one_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        verify(tmp_path / "db")

    assert str(error.value) == f"{tmp_path / 'db'}: there is no store"
    assert list(tmp_path.iterdir()) == []


def test_stats_say_whose_answers_take_the_room(tmp_path: Path) -> None:
    path = tmp_path / "db"
    plan = plan_of(ScriptedEngine(), case("a"), case("b"), variants=(BASE, TUNED))
    go(path, plan, ScriptedEngine())

    with Store(path) as store:
        found = stats(store)

    assert (found.path, found.answers, found.runs, found.results) == (path, 4, 1, 4)
    assert found.bytes == path.stat().st_size
    assert [replace(share, bytes=0) for share in found.shares] == [
        Share("m", None, 2, 0),
        Share("m", "a", 2, 0),
    ]


def test_pruning_keeps_what_the_newest_runs_need(tmp_path: Path) -> None:
    path = tmp_path / "db"
    engine = ScriptedEngine()
    both, one = plan_of(engine, case("a"), case("b")), plan_of(engine, case("b"))
    go(path, both, engine, run_id="old")
    go(path, one, engine, run_id="new")
    used, unused = engine.asked[1].key, engine.asked[0].key

    with Store(path) as store:
        store.put("of a killed run", Completion("paid for", "stop"))
        done = prune(store, keep_runs=1)

        assert [run.id for run in store.runs()] == ["new"]
        found = store.completions([used, unused, "of a killed run"])
    assert (done.runs, done.answers) == (1, 1)
    assert set(found) == {used, "of a killed run"}
    assert verify(path).faults == ()


def test_pruning_all_runs_empties_the_store_and_gives_the_room_back(tmp_path: Path) -> None:
    path = tmp_path / "db"
    filled(path)
    with Store(path) as store:
        before = stats(store).bytes
        done = prune(store, keep_runs=0)
        after = stats(store)

    assert done == Pruned(1, ANSWERS + 1, before - after.bytes)
    assert (after.answers, after.runs, after.results) == (0, 0, 0)
    assert after.bytes < before / 5


def test_another_programs_database_is_not_repaired(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()

    with pytest.raises(InputError, match="not a store of the harness"):
        repair(path)


def test_a_run_without_results_keeps_its_answers_when_pruned(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with Store(path) as store:
        store.start_run(record("killed"))
        store.put("k", Completion("paid for", "stop"))

        done = prune(store, keep_runs=1)

        assert (done.runs, done.answers) == (0, 0)
        assert store.completion("k") is not None


def test_variants_with_one_model_are_told_apart(tmp_path: Path) -> None:
    other = Variant("other", "m", adapter="b")
    plan = plan_of(ScriptedEngine(), case("a"), variants=(TUNED, other))
    go(tmp_path / "db", plan, ScriptedEngine())

    with Store(tmp_path / "db") as store:
        assert {share.adapter for share in stats(store).shares} == {"a", "b"}
