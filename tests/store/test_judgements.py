"""Judgements in the store: added by several at once, read by run, kept when runs are pruned."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from harness.common import InputError, MachineryError
from harness.results import HumanJudgement
from harness.store import (
    Store,
    add_judgements,
    judgements_of,
    prune,
    read_judgements,
    repair,
    verify,
)
from tests.results.test_judgements import judgement, result
from tests.store.test_store import info

HERE = info("run")  # of suite s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one run of one answer."""
    with Store(tmp_path / "db") as store:
        store.start_run(HERE)
        store.put_result("run", 0, result("base", "So."))
    return tmp_path / "db"


def test_judgements_come_back_in_the_order_of_writing(path: Path) -> None:
    first, other = judgement("1"), judgement("2", suite="other")
    with Store(path) as store:
        add_judgements(store, [first, other])
        add_judgements(store, [first.undone(), first])  # the same row again is passed over
    with Store(path) as store:
        rows = read_judgements(store, ["s"])
        assert rows[0] == first
        assert [row.undoes for row in rows] == ["", "1"]
        assert read_judgements(store, ["s", "other"])[1] == other
        assert judgements_of(store, "run") == ()


def test_a_run_has_the_judgements_of_its_answers_alone(path: Path) -> None:
    elsewhere = judgement("2", answers=(replace(judgement("1").answers[0], digest="0" * 32),))
    with Store(path) as store:
        add_judgements(store, [judgement("1"), elsewhere, judgement("3", rater="bob")])
        assert [row.id for row in judgements_of(store, "run")] == ["1", "3"]
        with pytest.raises(InputError, match="not in the store"):
            judgements_of(store, "gone")


def test_two_who_judge_at_once_lose_nothing(path: Path) -> None:
    def judge(rater: str) -> None:
        with Store(path) as store:
            for number in range(25):
                row = judgement(f"{rater}{number}", rater=rater, criterion=f"c{number}")
                add_judgements(store, [row])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(judge, ["ann", "bob"]))
    with Store(path) as store:
        rows = read_judgements(store, ["s"])
    for rater in ("ann", "bob"):
        mine = [row.id for row in rows if row.rater == rater]
        assert mine == [f"{rater}{number}" for number in range(25)]


def test_pruning_keeps_what_people_said(path: Path) -> None:
    with Store(path) as store:
        add_judgements(store, [judgement("1")])
        assert prune(store, 0).runs == 1
        assert read_judgements(store, ["s"]) == (judgement("1"),)
        store.start_run(replace(HERE, id="again"))
        store.put_result("again", 0, result("new", "So."))
        assert judgements_of(store, "again") == (judgement("1"),)


def test_a_changed_row_is_found_and_left_out_by_a_repair(path: Path) -> None:
    with Store(path) as store:
        add_judgements(store, [judgement("1"), judgement("2", rater="bob")])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE judgements SET body = replace(body, '4', '5') WHERE key = '1'")
    connection.close()
    with Store(path) as store, pytest.raises(MachineryError, match="judgement '1' has changed"):
        read_judgements(store, ["s"])
    assert verify(path).faults == ("judgements: row 1 has changed",)
    done = repair(path)
    assert (done.kept["judgements"], done.lost["judgements"]) == (1, 1)
    with Store(path) as store:
        kept: tuple[HumanJudgement, ...] = read_judgements(store, ["s"])
    assert [row.id for row in kept] == ["2"]
