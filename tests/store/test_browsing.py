"""A page of results at a time, by suite, case, variant, outcome and text; nothing is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.common import InputError, MachineryError
from harness.results import Outcome
from harness.store import (
    CaseFilter,
    ResultRow,
    Store,
    cases_of,
    existing_store,
    neighbours,
    newest_answer,
    results_at,
    results_of_case,
    run_ids,
    runs_holding,
    tally,
)
from tests.store.test_store import ANSWER, info, result
from tests.store.test_store_versions import DUMPS, restored

EVERY = CaseFilter()
PLAN = "EXPLAIN QUERY PLAN "
OUTCOMES = {"base": Outcome.PASS, "new": Outcome.FAIL}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of two suites; each case on two variants."""
    path = tmp_path_factory.mktemp("store") / "db"
    with Store(path) as store:
        store.put("k", ANSWER)
        for run in ("r1", "r2"):
            store.start_run(info(run))
            rows = [
                replace(
                    result(f"case-{n}"),
                    suite=suite,
                    variant=variant,
                    outcome=outcome if n == 2 else Outcome.PASS,
                    responses=(f"{run} said Grüße {n}",),
                )
                for suite in ("s", "t")
                for n in range(5)
                for variant, outcome in OUTCOMES.items()
            ]
            store.put_results(run, [ResultRow(n, row, ("k",)) for n, row in enumerate(rows)])
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with existing_store(path, read_only=True) as store:
        yield store


def names(store: Store, wanted: CaseFilter = EVERY, most: int = 50, after: int = 0) -> list[str]:
    cases, _ = cases_of(store, "r2", wanted, most=most, after=after)
    return [f"{each.suite}/{each.case}" for each in cases]


def test_cases_come_in_the_order_of_the_run_a_page_at_a_time(store: Store) -> None:
    every = [f"{suite}/case-{n}" for suite in "st" for n in range(5)]
    assert names(store) == every
    assert names(store, most=4, after=4) == every[4:8]
    assert cases_of(store, "r2", CaseFilter(), most=1)[1] == 10


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"suite": "t"}, [f"t/case-{n}" for n in range(5)]),
        ({"outcome": "fail"}, ["s/case-2", "t/case-2"]),
        ({"outcome": "fail", "variant": "base"}, []),
        ({"outcome": "fail", "variant": "new", "suite": "s"}, ["s/case-2"]),
        ({"text": "GRÜßE 3".replace("Ü", "ü")}, ["s/case-3", "t/case-3"]),
        ({"text": "case-4", "suite": "t"}, ["t/case-4"]),
        ({"text": "r1 said"}, []),
        ({"text": "outcome"}, []),  # the name of a field
        ({"text": '%"'}, []),
        ({"suite": "none"}, []),
    ],
)
def test_cases_are_narrowed_down(store: Store, wanted: dict[str, str], found: list[str]) -> None:
    assert names(store, CaseFilter(**wanted)) == found


def test_a_case_tells_all_of_its_outcomes(store: Store) -> None:
    (case, _), _ = cases_of(store, "r2", CaseFilter(outcome="fail"), most=5)
    assert case.outcomes == {"base": {Outcome.PASS: 1}, "new": {Outcome.FAIL: 1}}
    assert case.telling.outcome is Outcome.FAIL
    assert tally(store, "r2")["s", "new"] == {Outcome.PASS: 4, Outcome.FAIL: 1}


def test_a_case_is_found_in_all_runs_the_newest_first(store: Store) -> None:
    found, count = results_of_case(store, "s", "case-1", most=3)
    assert [(each.run, each.position, each.result.variant) for each in found] == [
        ("r2", 2, "base"),
        ("r2", 3, "new"),
        ("r1", 2, "base"),
    ]
    assert count == 4
    only, count = results_of_case(store, "s", "case-1", most=1, after=1, run_id="r1")
    assert [(each.run, each.position) for each in only] == [("r1", 3)] and count == 2
    assert results_at(store, [("r1", 2), ("r1", 99), ("none", 2)]) == [found[2]]
    assert results_of_case(store, "s", "none", most=3) == ([], 0)


def test_neighbours_are_cases_and_not_results(store: Store) -> None:
    assert neighbours(store, "r1", "s", "case-0") == (None, ("s", "case-1"))
    assert neighbours(store, "r1", "s", "case-4") == (("s", "case-3"), ("t", "case-0"))
    assert neighbours(store, "r1", "t", "case-4")[1] is None
    assert neighbours(store, "r1", "s", "none") == (None, None)


def test_runs_are_found_by_what_is_in_their_records(store: Store) -> None:
    assert run_ids(store) == ["r2", "r1"]
    assert runs_holding(store, "FLOAT32") == ["r2", "r1"]
    assert runs_holding(store, "R1") == ["r1"]
    assert runs_holding(store, "started") == []
    assert newest_answer(store).endswith("+00:00")


@pytest.mark.parametrize(
    ("index", "query"),
    [
        ("results_by_case", "results_of_case"),
        ("results_by_run", "tally"),
        ("results_by_run", "cases_of"),
        ("results_by_case", "of a run"),
    ],
)
def test_queries_use_the_indexes(path: Path, index: str, query: str) -> None:
    """The same text as in the index, or SQLite reads everything."""
    asked: list[str] = []
    with existing_store(path, read_only=True) as store:
        store.connection.set_trace_callback(asked.append)
        match query:
            case "tally":
                tally(store, "r1")
            case "cases_of":
                cases_of(store, "r1", CaseFilter(outcome="fail"), most=5)
            case "of a run":
                results_of_case(store, "s", "case-1", most=5, run_id="r1")
            case _:
                results_of_case(store, "s", "case-1", most=5)
        store.connection.set_trace_callback(None)
        selects = [text for text in asked if text.lstrip().startswith("SELECT")]
        plans = [
            " ".join(str(row[-1]) for row in store.connection.execute(PLAN + text))
            for text in selects
        ]
    assert any(index in plan for plan in plans), plans
    assert not any("results_1 (run=?)" in plan for plan in plans), plans  # the whole run
    assert not any("SCAN results" in plan for plan in plans), plans


def test_what_is_only_read_is_not_made_and_not_written(tmp_path: Path, store: Store) -> None:
    with pytest.raises(InputError, match="nothing was run yet"):
        existing_store(tmp_path / "none.db", read_only=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="cannot be written"):
        store.start_run(info("r3"))


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_an_older_file_is_read_as_it_is(tmp_path: Path, dump: Path) -> None:
    """A harness of that version may be writing it."""
    path = restored(dump, tmp_path / "a b?c#.db")
    before = path.read_bytes()
    if dump.stem == "store_v1":
        with pytest.raises(
            InputError, match=r"too old[\s\S]*found: version 1\n[\s\S]*harness runs"
        ):
            existing_store(path, read_only=True)
    else:
        with existing_store(path, read_only=True) as store:
            assert [each.case for each in cases_of(store, "run", CaseFilter(), most=5)[0]] == ["a"]
            assert results_of_case(store, "s", "a", most=5)[1] == 2
    assert path.read_bytes() == before


def test_an_empty_file_is_no_store_yet(tmp_path: Path) -> None:
    (tmp_path / "db").touch()
    with pytest.raises(InputError, match="an empty file: nothing was run yet"):
        existing_store(tmp_path / "db", read_only=True)


def test_a_reader_sees_what_is_being_written(path: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "db") as writer:
        writer.start_run(info("run"))
        with existing_store(tmp_path / "db", read_only=True) as store:
            assert tally(store, "run") == {}
            writer.put_result("run", 0, result("a"))
            assert list(tally(store, "run").values()) == [{Outcome.PASS: 1}]


def test_a_damaged_result_is_told_and_hides_no_other(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store:
        store.start_run(info("run"))
        store.put_results("run", [ResultRow(n, result(f"case-{n}")) for n in range(3)])
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute("UPDATE results SET body = 'no json' WHERE position = 0")
    connection.execute("UPDATE results SET body = replace(body, 'Lina', 'Line') WHERE position = 1")
    connection.commit()
    connection.close()
    with Store(tmp_path / "db", read_only=True) as store:
        assert sum(sum(each.values()) for each in tally(store, "run").values()) == 2
        with pytest.raises(MachineryError, match="result 1 of run run has changed"):
            cases_of(store, "run", CaseFilter(), most=5)
        assert len(cases_of(store, "run", CaseFilter(), most=5, after=1)[0]) == 1
