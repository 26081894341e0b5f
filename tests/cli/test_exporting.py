"""`harness export` and `harness cache split` and `join`: all rows, once, as they were."""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from harness.cli import main
from harness.store import Store, add_judgements
from tests.recorded_project import Record
from tests.results.test_judgements import judgement

SIGNS = {"base": "++++++++++++", "new": "+++++++-----"}
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def two_runs(record: Record, capsys: Printed) -> None:
    record(SIGNS)
    main(["run"])
    main(["run"])
    capsys.readouterr()


def test_parquet_shards_hold_every_result_once(capsys: Printed) -> None:
    assert main(["export", "--to", "parquet", "--shards", "3", "--into", "out"]) == 0
    assert capsys.readouterr().out == "out: 24 rows in 3 files\n"
    table = pandas.read_parquet("out")
    assert len(table) == len(table.drop_duplicates(["case", "variant"])) == 24
    assert table.groupby("variant")["passed"].sum().to_dict() == {"base": 12, "new": 7}
    shards = [set(pandas.read_parquet(path)["case"]) for path in sorted(Path("out").iterdir())]
    assert sum(map(len, shards)) == len(set.union(*shards)) == 12


def test_csv_and_jsonl_say_the_same(capsys: Printed) -> None:
    assert main(["export", "--to", "csv", "--into", "a"]) == 0
    assert main(["export", "--to", "jsonl", "--into", "b"]) == 0
    with next(Path("a").iterdir()).open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    written = next(Path("b").iterdir()).read_text(encoding="utf-8")
    lines = [json.loads(line) for line in written.splitlines()]
    assert [row["case"] for row in cells] == [row["case"] for row in lines]
    assert [json.loads(row["responses"]) for row in cells] == [row["responses"] for row in lines]
    assert {row["passed"] for row in lines} == {True, False}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "parkett"], "nothing is known of the target 'parkett'"),
        (["--to", "csv", "--shards", "0"], "--shards is wrong"),
        (["--to", "csv", "--into", "suites"], "this directory is there already"),
        (["--to", "csv", "--into", "harness.toml", "--force"], "this is a file, and no directory"),
        (["gone", "--to", "csv"], "no run is called 'gone'"),
        pytest.param(
            ["--to", "csv", "--into", "/proc/x"],
            "/proc/x: no export can be written here\n  found: No such file or directory\n"
            "  hint: name another directory: --into DIR\n",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's"),
        ),
        (
            ["--to", "csv", "--into", "harness.toml/out"],
            "harness.toml/out: no export can be written here\n  found: Not a directory\n"
            "  hint: name another directory: --into DIR\n",
        ),
    ],
)
def test_what_cannot_be_exported_is_said(words: list[str], said: str, capsys: Printed) -> None:
    assert main(["export", *words]) == 2
    assert said in capsys.readouterr().err
    assert not list(Path().glob(".*.[0-9]*"))


def test_a_run_that_did_not_finish_is_a_part_or_nothing(capsys: Printed) -> None:
    with Store(Path(".harness/store.db")) as store:
        before = store.latest()
        assert before is not None
        store.start_run(replace(before, id="20990101-000000-000000", finished=False))
        results = list(store.results(before.id))
    words = ["export", "2099", "--to", "csv", "--into", "out"]
    assert main(words) == 2
    assert capsys.readouterr().err == (
        "run 20990101-000000-000000 has no results: there is nothing to export\n"
        "  found: it did not finish\n"
        "  hint: run its suites again, or name another: `harness runs` lists them\n"
    )
    assert not Path("out").exists()
    with Store(Path(".harness/store.db")) as store:
        store.put_result("20990101-000000-000000", 0, results[0])

    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.out == "out: 1 row in 1 file\n"
    assert printed.err == (
        "warning: run 20990101-000000-000000 did not finish: its 1 result may not be all\n"
    )


CONTENT = {
    "completions": "SELECT key, body, meta, created, checksum FROM completions ORDER BY key",
    "runs": "SELECT id, body, checksum FROM runs ORDER BY seq",
    "results": "SELECT r.id, position, cached, seconds, keys, s.body, s.checksum FROM results s "
    "JOIN runs r ON r.seq = s.run ORDER BY r.seq, position",
    "journal": "SELECT key, body, checksum FROM journal ORDER BY key",
    "judgements": "SELECT key, body, checksum FROM judgements ORDER BY id",
    "memos": "SELECT key, body FROM memos ORDER BY key",
}


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    found = {name: connection.execute(query).fetchall() for name, query in CONTENT.items()}
    connection.close()
    return found


def test_a_store_that_is_split_by_night_and_joined_is_the_same(capsys: Printed) -> None:
    store = Path(".harness/store.db")
    with sqlite3.connect(store) as connection:  # the first run, and half of its answers, are older
        connection.execute("UPDATE completions SET created = '2020-01-01T00:00:00' WHERE id % 2")
    connection.close()
    with Store(store) as opened:
        judged = judgement("1", time="2020-01-01T00:00:00.000+00:00")
        add_judgements(opened, [judged, judged.undone()])
    before = content(store)
    assert main(["cache", "split", "--into", "nights"]) == 0
    parts = sorted(Path("nights").glob("*.db"))
    assert [part.name == "2020-01-01.db" for part in parts] == [True, False]
    assert capsys.readouterr().out.startswith("nights/2020-01-01.db: 12 answers, 0 runs, 0 results")
    joining = ["cache", "join", *map(str, parts), "--store", "joined.db"]
    assert main(joining) == 0
    assert content(Path("joined.db")) == before == content(store)
    assert main(["cache", "verify", "--store", "joined.db"]) == 0
    assert main(["show", "--store", "joined.db"]) == main(["show"])
    assert main(joining) == 2
    assert "there is a file already" in capsys.readouterr().err


def test_stores_of_two_machines_are_joined_with_new_numbers() -> None:
    Path("other").mkdir()
    assert main(["run", "--store", "other/store.db"]) in (0, 1, 4)
    both = ["cache", "join", ".harness/store.db", "other/store.db", "--store", "both.db"]
    assert main(both) == 0
    found = content(Path("both.db"))
    assert len(found["runs"]) == 3
    assert len(found["results"]) == 72
    assert len(found["completions"]) == 24


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["split"], "split: no folder for the parts"),
        (["join", "--store", "new.db"], "join: no store to join"),
        (["join", "gone.db", "--store", "new.db"], "there is no store here"),
        (["show", "x.db"], "`show` takes no files"),
    ],
)
def test_wrong_words_are_said(words: list[str], said: str, capsys: Printed) -> None:
    assert main(["cache", *words]) == 2
    assert said in capsys.readouterr().err
    assert not Path("new.db").exists()
