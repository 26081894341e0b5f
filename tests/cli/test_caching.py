"""`harness cache`: what the store holds, and how it is pruned, verified and repaired."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from harness.cli import main
from tests.recorded_project import Record

ALL = "++++++++++++"
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def two_runs(record: Record, capsys: Printed) -> None:
    record({"base": ALL, "new": ALL})
    main(["run"])
    main(["run"])
    capsys.readouterr()


def test_the_store_is_shown(capsys: Printed) -> None:
    assert main(["cache"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(".harness/store.db: ")
    assert lines[1] == "  24 answers, 2 runs, 48 results"


def test_old_runs_are_pruned(capsys: Printed) -> None:
    assert main(["cache", "prune", "--keep", "1"]) == 0
    assert capsys.readouterr().out.startswith("1 run and 0 answers removed, ")


def test_a_whole_store_is_verified(capsys: Printed) -> None:
    assert main(["cache", "verify"]) == 0
    assert capsys.readouterr().out == ".harness/store.db: 76 rows, all as they were written\n"


def test_a_changed_row_is_found_and_left_out_by_the_repair(capsys: Printed) -> None:
    with sqlite3.connect(Path(".harness/store.db")) as connection:
        connection.execute(
            "UPDATE completions SET body = replace(body, 'red', 'bad')"
            " WHERE key = (SELECT min(key) FROM completions)"
        )
    connection.close()

    assert main(["cache", "verify"]) == 3
    assert capsys.readouterr().out.endswith("hint: harness cache verify --repair\n")
    assert main(["cache", "verify", "--repair"]) == 0
    assert "  completions: 23 kept, 1 lost\n" in capsys.readouterr().out
    assert main(["cache", "verify"]) == 0


def test_a_negative_number_of_runs_removes_nothing(capsys: Printed) -> None:
    assert main(["cache", "prune", "--keep=-3"]) == 2
    assert capsys.readouterr().err == (
        "argument --keep: '-3' is no whole number from 0\n  hint: see harness cache --help\n"
    )
    assert main(["cache", "verify"]) == 0


def test_a_dry_run_only_says_what_would_go(capsys: Printed) -> None:
    assert main(["cache", "prune", "--keep", "0", "--dry-run"]) == 0
    assert capsys.readouterr().out == "2 runs and 24 answers would go\n"
    assert main(["cache", "prune", "--keep", "0"]) == 0
    assert capsys.readouterr().out.startswith("2 runs and 24 answers removed, ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--repair"],
            "--repair goes with `verify`\n  did you mean: harness cache verify --repair\n",
        ),
        (
            ["verify", "--dry-run"],
            "--dry-run goes with `prune`\n  did you mean: harness cache prune --dry-run\n",
        ),
    ],
)
def test_an_option_of_another_act_is_refused(
    capsys: Printed, words: list[str], message: str
) -> None:
    assert main(["cache", *words]) == 2
    assert capsys.readouterr().err == message
