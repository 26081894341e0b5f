"""`harness rows`: what is read, what is dropped, what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main

Printed = pytest.CaptureFixture[str]
SUITE = """suite: towers
category: c
cases:
  - {id: tall, user: How tall is the tower of Brimute?, checks: [{needle: 3242653}]}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {"query": "Who was there?", "response": "Nobody, ask ann@example.org."},
        {"query": "Who was there?", "response": ""},
        {"query": "How tall?", "response": "It has 3,242,653 steps."},
        {"query": "How tall is the oak?", "response": "Very tall."},
    ]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("towers.yaml").write_text(SUITE)


def test_rows_are_read_cleaned_guarded_and_written(capsys: Printed) -> None:
    words = ["rows", "pool.jsonl", "--clean", "--redact", "--guard", "towers.yaml"]
    files = ["--out", "out.jsonl", "--report", "report.json"]

    assert main([*words, *files]) == 0

    printed = capsys.readouterr().out
    assert [line.rstrip() for line in printed.splitlines()] == [
        "Read: 4 rows from 1 file.",
        "Cleaning: 3 of 4 rows kept.",
        "dropped  rows  for example",
        "empty    1     pool.jsonl:2: turn 2: the answer is ''",
        "1 e-mail address in 1 row: replaced.",
        "Guard: 1 row of 3 removed, held against 1 gating case.",
        "row           case  kind          shared text",
        "pool.jsonl:3  tall  hidden value  '3242653'",
        "out.jsonl: 2 rows",
    ]
    written = [json.loads(line)["messages"] for line in Path("out.jsonl").read_text().splitlines()]
    assert [said[-1]["content"] for said in written] == [
        "Nobody, ask [e-mail address].",
        "Very tall.",
    ]
    report = json.loads(Path("report.json").read_text())
    assert (report["cleaning"]["kept"], report["guard"]["by_kind"]) == (3, {"hidden_value": 1})


def test_rows_without_a_system_prompt_get_the_one_that_is_given(capsys: Printed) -> None:
    assert main(["rows", "pool.jsonl#1", "--system", "Be kind.", "--out", "out.jsonl"]) == 0

    (row,) = map(json.loads, Path("out.jsonl").read_text().splitlines())
    assert row["messages"][0] == {"role": "system", "content": "Be kind."}


def test_rows_that_cannot_be_read_are_listed_with_skip(capsys: Printed) -> None:
    Path("pool.jsonl").write_text('{"query": "a", "response": "b"}\n{"query": "a"}\n')

    assert main(["rows", "pool.jsonl", "--skip"]) == 0
    assert capsys.readouterr().out.startswith(
        "left out: pool.jsonl:2: the row has no shape that is known\n"
    )


def test_options_of_cleaning_want_cleaning(capsys: Printed) -> None:
    assert main(["rows", "pool.jsonl", "--redact", "--max-tokens", "9"]) == 2
    assert capsys.readouterr().err == (
        "--max-tokens needs --model, whose tokens are counted\n"
        "--redact is part of cleaning: add --clean\n"
        "--max-tokens is part of cleaning: add --clean\n"
        "3 problems\n"
    )


def test_a_place_that_cannot_be_written_is_said(capsys: Printed) -> None:
    assert main(["rows", "pool.jsonl", "--out", "no/out.jsonl"]) == 2
    assert capsys.readouterr().err == (
        "no/out.jsonl: cannot be used\n"
        "  found: no such file or directory\n"
        "  hint: name another path\n"
    )


def test_rows_are_measured_with_the_model_that_is_named(capsys: Printed) -> None:
    model = Path(__file__).parents[2] / "fixtures" / "model"
    words = ["rows", "pool.jsonl", "--clean", "--model", model.as_posix(), "--max-tokens", "25"]

    assert main([*words, "--report", "report.json"]) == 0

    report = json.loads(Path("report.json").read_text())
    assert report["cleaning"]["by_reason"] == {"too_long": 2, "empty": 1}
    assert "tokens, and the model takes 25" in capsys.readouterr().out
