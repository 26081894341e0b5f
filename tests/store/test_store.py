"""The store: what goes in comes out, once, in order, and on disk."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import textwrap
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends import Completion
from harness.common import GateSettings, InputError, VariantRole
from harness.results import (
    CheckResult,
    Outcome,
    Result,
    RunInfo,
    Signature,
    SuiteInfo,
    VariantInfo,
    result_from_json,
    result_to_json,
    run_from_json,
    run_to_json,
)
from harness.store import Entry, ResultRow, Store

ANSWER = Completion("Lina", "stop", prompt_tokens=7, completion_tokens=2, seconds=0.25)


def info(run_id: str = "r1") -> RunInfo:
    """A record with something in every field."""
    return RunInfo(
        id=run_id,
        started="2026-01-02T03:04:05Z",
        seconds=1.5,
        harness_version="0.1.0",
        backend="echo",
        baseline="base",
        suites=(SuiteInfo("s", "c", "s.yaml", "d", GateSettings(min_pass_rate=0.9), 2, 1),),
        variants=(
            VariantInfo("base", VariantRole.BASELINE, "m", None, "w", "", {"engine": "echo"}),
        ),
        notes=("float32: no GPU",),
        execution={"device": "cpu"},
        scorers={"contains": 1},
        generated=1,
        cached=2,
    )


def result(case: str = "a", **fields: object) -> Result:
    """A result with something in every field."""
    check = CheckResult("contains", 0, True, 1.0, "found", 1, 2.0, {"at": 3})
    whole = Result(
        suite="s",
        category="c",
        case=case,
        variant="base",
        repeat=0,
        outcome=Outcome.PASS,
        score=1.0,
        responses=("Lina",),
        checks=(check,),
        case_hash="h",
        signature=Signature("e"),
        cluster="k",
        required=True,
        tags=("smoke",),
        seconds=0.5,
        prompt=({"role": "user", "content": "Who?"},),
    )
    return replace(whole, **fields)  # type: ignore[arg-type]


texts = st.text(st.characters(exclude_categories=[]))  # lone surrogates and NUL included


@given(texts, texts)
def test_any_text_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, text: str, error: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.db"
    answer = Completion(text, "stop", error=error)

    with Store(path) as store:
        key = f"{text!r}{error!r}"
        assert store.put(key, answer) == answer
        assert store.completion(key) == answer


def test_an_answer_is_there_for_the_next_process(tmp_path: Path) -> None:
    with Store(tmp_path / "deep" / "store.db") as store:
        store.put("k", ANSWER)

    with Store(tmp_path / "deep" / "store.db") as store:
        assert store.completion("k") == ANSWER
        assert store.completion("other") is None


def test_more_keys_than_one_query_takes(tmp_path: Path) -> None:
    keys = [f"k{number}" for number in range(1201)]

    with Store(tmp_path / "store.db") as store:
        store.put_many([Entry(key, replace(ANSWER, text=key)) for key in keys])
        found = store.completions([*keys, "other"])

    assert [found[key].text for key in keys] == keys
    assert len(found) == len(keys)


def test_the_first_answer_stays(tmp_path: Path) -> None:
    """Two processes that made the same answer must both go on with the one that is kept."""
    with Store(tmp_path / "store.db") as one, Store(tmp_path / "store.db") as two:
        one.put("k", ANSWER)

        assert two.put("k", replace(ANSWER, text="other")) == ANSWER


def test_results_come_in_order_and_keep_whether_they_were_cached(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.start_run(info())
        for position in (2, 0, 1):
            store.put_result("r1", position, result(f"c{position}", cached=position == 1), ("k",))

        assert list(store.results("r1")) == [
            result("c0"),
            result("c1", cached=True),
            result("c2"),
        ]


def test_a_result_at_the_same_place_is_replaced(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.start_run(info())
        store.put_result("r1", 0, result(outcome=Outcome.ERROR))
        store.put_result("r1", 0, result())

        assert [r.outcome for r in store.results("r1")] == [Outcome.PASS]


def test_results_are_read_in_pages_and_stay_small_in_memory(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.start_run(info())
        rows = [ResultRow(n, result(f"c{n}", responses=("x" * 10_000,))) for n in range(1501)]
        store.put_results("r1", rows)
        del rows
        tracemalloc.start()
        count = sum(1 for _ in store.results("r1"))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert count == 1501
    assert peak < 15_000_000  # all together they are over 15 MB


def test_a_run_that_starts_again_loses_its_results_and_keeps_its_answers(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.put("k", ANSWER)
        store.start_run(info())
        store.put_result("r1", 0, result())
        store.start_run(info())

        assert list(store.results("r1")) == []
        assert store.completion("k") == ANSWER


def test_runs_are_listed_by_the_order_of_starting_even_when_the_clock_jumps(
    tmp_path: Path,
) -> None:
    with Store(tmp_path / "store.db") as store:
        assert store.latest() is None
        store.start_run(info("first"))
        store.start_run(replace(info("second"), started="1999-01-01T00:00:00Z"))

        assert [run.id for run in store.runs()] == ["second", "first"]
        assert store.latest() == replace(info("second"), started="1999-01-01T00:00:00Z")


def test_a_finished_run_says_so(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.start_run(info())
        assert not store.run("r1").finished
        store.finish_run(replace(info(), generated=9, finished=True))

        assert store.run("r1") == replace(info(), generated=9, finished=True)


def test_an_unknown_run_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Store(path) as store:
        store.start_run(info("2026-01-02-alpha"))
        with pytest.raises(InputError) as error:
            store.run("2026-01-02-alhpa")

    assert str(error.value) == (
        f"{path}: run '2026-01-02-alhpa' is not in the store\n"
        "  did you mean: 2026-01-02-alpha\n"
        "  hint: `harness runs` lists the runs"
    )


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(InputError) as error:
        Store(path)

    assert str(error.value) == (
        f"{path}: the store was written by a newer harness\n"
        "  found: version 99\n"
        "  expected: version 4 or older\n"
        "  hint: upgrade the harness, or name another file for the store"
    )


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(InputError) as error:
        Store(path)

    assert path.read_bytes() == before
    assert str(error.value) == (
        f"{path}: this SQLite file is not a store of the harness\n"
        "  hint: name another file for the store, or move this one away"
    )


WRITER = """
import sys
from pathlib import Path
from harness.backends import Completion
from harness.store import Store

with Store(Path(sys.argv[1])) as store:
    for number in range(25):
        store.put(f"own-{sys.argv[2]}-{number}", Completion("x", "stop"))
        print(store.put(f"shared-{number}", Completion(sys.argv[2], "stop")).text)
"""


def test_several_processes_open_and_write_a_new_store_at_once(tmp_path: Path) -> None:
    """All see one answer per key, whoever was first, and none loses one."""
    path = tmp_path / "store.db"
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path)]
    writers = [
        subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(4)
    ]
    seen = [writer.communicate(timeout=60)[0].split() for writer in writers]

    assert [writer.returncode for writer in writers] == [0] * 4
    assert seen[0] == seen[1] == seen[2] == seen[3]
    with Store(path) as store:
        own = [f"own-{writer}-{number}" for writer in range(4) for number in range(25)]
        assert len(store.completions(own)) == 100


def test_a_result_survives_json_exactly() -> None:
    for whole in (result(), result(responses=("a", "b")), result(responses=())):
        whole = replace(whole, seconds=0.0)
        row = json.loads(json.dumps(result_to_json(whole)))

        assert result_from_json(row) == whole


def test_a_row_of_results_jsonl_is_a_recorded_answer() -> None:
    assert result_to_json(result())["response"] == "Lina"
    assert result_to_json(result(responses=("a", "b")))["responses"] == ["a", "b"]


def test_the_record_of_a_run_survives_json_exactly() -> None:
    assert run_from_json(json.loads(json.dumps(run_to_json(info())))) == info()
