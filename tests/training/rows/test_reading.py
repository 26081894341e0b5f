from __future__ import annotations

import csv
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from harness.common import InputError, Message
from harness.suites import data_files
from harness.suites import rows as rows_of_suites
from harness.training.rows import RowFile, parse_spec, read, read_rows

pa: Any = import_module("pyarrow")
pq: Any = import_module("pyarrow.parquet")
ROWS = [{"instruction": f"Say {n}.", "input": "", "output": f"{n}!"} for n in range(10)]


def jsonl(folder: Path, *rows: object, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def says(path: Path | str | RowFile) -> str:
    with pytest.raises(InputError) as error:
        read_rows([path])
    return str(error.value)


def test_all_formats_give_the_same_rows(tmp_path: Path) -> None:
    lines = jsonl(tmp_path, *ROWS)
    listed = tmp_path / "rows.json"
    listed.write_text(json.dumps(ROWS, indent=1), encoding="utf-8")
    objects = jsonl(tmp_path, *ROWS, name="lines.json")
    table = tmp_path / "rows.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["instruction", "input", "output"])
        writer.writeheader()
        writer.writerows(ROWS)
    columns = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), columns)

    found = [
        [row.messages for row in read_rows([path])]
        for path in (lines, listed, objects, table, columns)
    ]

    assert found == [found[0]] * 5
    assert found[0][3] == (Message("user", "Say 3."), Message("assistant", "3!"))


def test_messages_in_parquet_are_read(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    pq.write_table(pa.Table.from_pylist([{"messages": messages}]), tmp_path / "a.parquet")

    (row,) = read_rows([tmp_path / "a.parquet"])

    assert row.messages == (Message("user", "Hi"), Message("assistant", "Hello"))
    assert row.source == f"{tmp_path.as_posix()}/a.parquet:1"


def test_rows_know_their_lines_and_groups(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {**ROWS[0], "conversation_id": 7}, {**ROWS[1], "group": "b"}, ROWS[2])

    rows = read_rows([path])

    assert [row.source for row in rows] == [f"{path.as_posix()}:{n}" for n in (1, 2, 3)]
    assert [row.group for row in rows] == ["7", "b", ""]


def test_a_json_list_counts_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n {"query": "a", "response": "b"},\n\n {"query": "a"}]', encoding="utf-8")

    assert says(path).startswith(f"{path.as_posix()}:4: the row has no shape that is known")


def test_a_count_draws_by_the_seed_and_keeps_the_order(tmp_path: Path) -> None:
    path = jsonl(tmp_path, *ROWS)
    spec = f"{path.as_posix()}#4"

    first, again, other = (read_rows([spec], seed) for seed in (1, 1, 2))

    assert len(first) == 4 and first == again and first != other
    assert [row for row in read_rows([path]) if row in first] == list(first)


def test_files_are_mixed_in_their_order(tmp_path: Path) -> None:
    one, two = (
        jsonl(tmp_path, *ROWS[:2], name="1.jsonl"),
        jsonl(tmp_path, *ROWS[2:], name="2.jsonl"),
    )

    rows = read_rows([f"{two}#3", RowFile(one, system="Be kind.", replay=True)])

    assert [row.source.split("/")[-1][0] for row in rows] == ["2", "2", "2", "1", "1"]
    assert [row.replay for row in rows] == [False, False, False, True, True]
    assert rows[-1].messages[0] == Message("system", "Be kind.")


def test_a_default_system_prompt_leaves_others_alone(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"query": "a", "response": "b", "system": "Own."})

    (row,) = read_rows([RowFile(path, system="Default.")])

    assert row.messages[0] == Message("system", "Own.")


@pytest.mark.parametrize(
    ("text", "path", "count"),
    [
        ("a.jsonl#500", "a.jsonl", 500),
        ("a.jsonl", "a.jsonl", None),
        ("a#b.csv", "a#b.csv", None),
        ("a.jsonl#b.csv", "a.jsonl#b.csv", None),
        ("a#x", "a#x", None),
        ("500", "500", None),
    ],
)
def test_specs_name_a_file_and_perhaps_a_count(text: str, path: str, count: int | None) -> None:
    assert parse_spec(text) == RowFile(Path(path), count)


@pytest.mark.parametrize("count", ["0", "x", "", "-5", "1.5"])
def test_a_count_is_a_number_from_one(count: str) -> None:
    assert says(f"a.jsonl#{count}") == (
        f"the count of rows cannot be read\n  found: a.jsonl#{count}\n  expected: FILE#COUNT"
    )


def test_more_rows_than_there_are_cannot_be_drawn(tmp_path: Path) -> None:
    path = jsonl(tmp_path, *ROWS)

    assert says(f"{path}#11") == f"{path.as_posix()}: 11 rows are asked for\n  found: 10 rows"


def test_the_problems_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    one = jsonl(tmp_path, ROWS[0], {"query": "a", "response": 3}, name="1.jsonl")
    two = jsonl(tmp_path, {"query": "a", "response": "b", "sytem": "c"}, name="2.jsonl")

    with pytest.raises(InputError) as error:
        read_rows([one, two])

    assert [problem.place for problem in error.value.problems] == [
        f"{one.as_posix()}:2:16",
        f"{two.as_posix()}:1:33",
    ]


def test_wrong_rows_can_be_left_out_and_are_named(tmp_path: Path) -> None:
    path = jsonl(tmp_path, ROWS[0], {"query": "a"}, ROWS[1])

    found = read([path], skip=True)

    assert len(found.rows) == 2
    assert [problem.line for problem in found.left_out] == [2]


BROKEN = {
    "a.jsonl": ('{"a": 1}\n{"a" 1}', "2:6: not valid JSON: Expecting ':' delimiter"),
    "a.json": ('[{"a": 1}\n {"a": 2}]', "2:2: not valid JSON: a comma is missing"),
    "b.json": ('[{"a": 1}', "1:10: not valid JSON: the list does not end"),
    "c.json": ("[] []", "1:3: not valid JSON: more text behind the list"),
    "d.json": ('[{"a": 1, "a": 2}]', "1:2: not valid JSON: key 'a' stands twice"),
    "e.json": ('[{"a": NaN}]', "1:2: not valid JSON: NaN is no JSON number"),
    "f.json": ("[3]", "1: a row is a JSON object\n  found: 3\n  expected: {\"messages\": []}"),
    "g.json": ("", " the data file has no rows"),
    "h.json": ("[" + "9" * 5_000 + "]", "1:2: not valid JSON: a number of more than 1,000 digits"),
    "i.json": ('[{"a": 1e999}]', "1:2: not valid JSON: the number '1e999' is too large"),
    "j.json": (" \n" * 100_000, " the data file has no rows"),
    "b.jsonl": (json.dumps(dict.fromkeys(map(str, range(10_001)))),
                "1: the row has more than 10,000 keys"),
    "a.csv": ("a,b\n1\n", "2: wrong number of cells\n  found: 1\n  expected: 2, as in the head"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named_with_line_and_column(tmp_path: Path, name: str) -> None:
    text, said = BROKEN[name]
    (tmp_path / name).write_text(text, encoding="utf-8")

    assert says(tmp_path / name) == f"{tmp_path.as_posix()}/{name}:{said}"


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_a_flood_of_wrong_rows_is_given_up(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"a.json": "{}, ", "a.jsonl": "{}\n", "a.csv": "1,2\n"}[name]
    rows = row * 5_000
    text = {"a.json": f"[{rows}{{}}]", "a.jsonl": rows, "a.csv": f"a,b\n{rows}"}[name]
    (tmp_path / name).write_text(text)

    said = says(tmp_path / name)

    assert said.count("the row has no shape that is known") == 20
    assert "1,980 more problems of this file" in said
    at = {"a.json": "1", "a.jsonl": "2,001", "a.csv": "2,002"}[name]
    assert said.endswith(f"rows from line {at} on were not looked at")

    monkeypatch.setattr(rows_of_suites, "MAX_ROWS", 4_000)
    monkeypatch.setattr(data_files, "MAX_ROWS", 4_000)
    assert says(tmp_path / name).endswith(
        "more than 4,000 rows\n  hint: split it into several files"
    )


def test_values_that_are_no_rows_are_not_all_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" + "0," * 1_000_000 + "not even JSON")

    assert says(tmp_path / "a.json").count("a row is a JSON object") == 20


def test_broken_parquet_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")

    assert says(tmp_path / "a.parquet").startswith(
        f"{tmp_path.as_posix()}/a.parquet: not valid Par"
    )


def test_without_pyarrow_parquet_is_refused_with_a_way_out(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    code = """
import sys
sys.modules["pyarrow.parquet"] = None
from harness.common.errors import InputError
from harness.training.rows import read_rows
try:
    read_rows(["a.parquet"])
except InputError as error:
    print(error)
"""
    paths = {"PYTHONPATH": str(Path.cwd())}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=paths, capture_output=True, text=True
    )

    assert done.stdout == (
        "a.parquet: reading Parquet needs pyarrow\n"
        "  hint: pip install 'lora-regression-harness[train]', or save the rows as JSONL\n"
    )


def test_a_mark_of_a_chat_template_is_named_with_its_column(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"query": "a", "response": "[INST] b"})

    assert says(path).startswith(
        f"{path.as_posix()}:1:29: the text is rendered in the chat template of Llama 2 and Mistral"
    )


def test_a_missing_file_and_other_endings_are_said(tmp_path: Path) -> None:
    path = jsonl(tmp_path, *ROWS)
    (tmp_path / "rows.txt").write_text("a", encoding="utf-8")
    folder = tmp_path.as_posix()

    assert says(tmp_path / "row.jsonl") == (
        f"{folder}/row.jsonl: the file does not exist\n  did you mean: {path.as_posix()}"
    )
    assert says(tmp_path / "rows.txt") == (
        f"{folder}/rows.txt: training rows have another ending\n"
        "  expected: .jsonl, .json, .csv, .parquet"
    )
    assert says(tmp_path) == f"{folder}: this is a folder\n  expected: a file of training rows"


def test_the_shipped_pools_are_read() -> None:
    pools = sorted(Path("fixtures/pools").glob("*.jsonl"))

    assert len(read_rows(pools)) == 1960
