"""`--case`, `--tag` and `--limit`: a part of the cases, the same for all, with no verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from harness.cli import main
from harness.store import Store
from harness.suites import Selection
from tests.recorded_project import Record

ALL = "++++++++++++"
OTHER = "suite: other\ncategory: c\ngate: {min_pass_rate: 0.5}\ncases:\n" + "".join(
    f"  - {{id: {case}, user: Say red., tags: [rest], checks: [{{contains: red}}]}}\n"
    for case in ("o0", "o1")
)
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def two_suites(record: Record) -> None:
    record({"base": ALL, "new": ALL})
    with Path("answers.jsonl").open("a") as file:
        for case in ("o0", "o1"):
            for variant in ("base", "new"):
                row = {"case": case, "variant": variant, "response": "red"}
                file.write(json.dumps(row) + "\n")
    Path("suites/other.yaml").write_text(OTHER)


def asked() -> dict[str, set[str]]:
    """The cases of the newest run, by variant."""
    with Store(Path(".harness/store.db")) as store:
        found: dict[str, set[str]] = {}
        for result in store.results(store.runs()[0].id):
            found.setdefault(result.variant, set()).add(result.case)
        return found


@pytest.mark.parametrize(
    ("words", "cases"),
    [
        (["--case", "c0[12]"], "c01 c02"),
        (["--case", "other/*", "--case", "c11"], "o0 o1 c11"),
        (["--tag", "smoke"], "c00 c01 c02"),
        (["--tag", "smoke", "--tag", "rest", "--limit", "1"], "c00 o0"),
        (["--limit", "2"], "c00 c01 o0 o1"),
        (["--case", "c*", "--tag", "rest", "--limit", "2"], "c03 c04"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_all_variants_answer_the_same_part(words: list[str], cases: str, capsys: Printed) -> None:
    assert main(["run", *words]) == 0
    assert asked() == {name: set(cases.split()) for name in ("base", "new")}
    out = capsys.readouterr().out
    assert "may replace" not in out
    assert "new is not judged: " in out
    assert out.splitlines()[-1].startswith("exit code 0: ")
    assert main(["runs", "--json", "--most", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] is None


def test_a_suite_of_which_nothing_is_selected_keeps_the_whole_from_passing(
    capsys: Printed,
) -> None:
    assert main(["run", "--case", "other/*"]) == 0
    out = capsys.readouterr().out
    assert "partial: 0 of 12 cases" in out
    assert "warning: only part was run of colours" in out
    assert out.splitlines()[-1] == ("exit code 0: the whole was not gated, and no suite failed")


def test_what_fails_in_a_whole_suite_fails(capsys: Printed, record: Record) -> None:
    Path("suites/other.yaml").write_text(OTHER.replace("contains: red", "contains: blue"))
    assert main(["run", "--case", "other/*"]) == 1
    assert "BELOW THRESHOLD" in capsys.readouterr().out


def test_a_selection_of_everything_is_no_part(capsys: Printed) -> None:
    assert main(["run", "--limit", "12"]) == 0
    assert "No loss was found in new" in capsys.readouterr().out


def test_a_part_beside_a_baseline_from_a_file_has_the_same_cases(
    record: Record, capsys: Printed
) -> None:
    assert main(["baseline", "save", "b.json", "--variant", "base"]) == 2
    assert main(["run"]) == 0
    assert main(["baseline", "save", "b.json", "--variant", "base"]) == 0
    words = ["--variant", "new=model:new", "--baseline", "b.json", "--tag", "smoke"]
    assert main(["run", *words]) == 0
    saved = harness.load_run("latest")
    rows = {(row.suite, row.variant): (row.n, row.partial) for row in saved.scorecard.categories}
    assert rows == {
        ("colours", "base"): (3, "3 of 12 cases"),
        ("colours", "base-committed"): (3, "3 of 12 cases"),
        ("colours", "new"): (3, "3 of 12 cases"),
        ("other", "base"): (0, "0 of 2 cases"),
        ("other", "new"): (0, "0 of 2 cases"),
    }
    assert main(["baseline", "save", "c.json", "--variant", "new"]) == 2
    assert "suite colours: only 3 of 12 cases were run" in capsys.readouterr().err


def test_a_comparison_of_a_part_gives_no_verdict(capsys: Printed) -> None:
    assert main(["run"]) == 0
    assert main(["compare", "latest:base", "latest:new"]) == 0
    assert "No loss was found in new" in capsys.readouterr().out
    assert main(["compare", "latest:base", "latest:new", "--tag", "smoke"]) == 0
    out = capsys.readouterr().out
    assert "partial: 3 of 12 cases" in out
    assert "new is not judged: only part was run of colours" in out

    assert main(["run", "--tag", "smoke"]) == 0
    capsys.readouterr()
    assert main(["compare", "latest:base", "latest:new"]) == 0
    assert "partial: 3 of 12 cases" in capsys.readouterr().out


def test_a_plan_counts_the_part(capsys: Printed) -> None:
    assert main(["plan", "--case", "c0*", "--limit", "4", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["suites"]
    assert [(row["suite"], row["cases"]) for row in rows] == [("colours", 4)]


def test_a_part_is_selected_from_python() -> None:
    report = harness.run(select=Selection(tags=("smoke",)), label="from Python")
    assert report.gate.verdict is None
    assert asked() == {name: {"c00", "c01", "c02"} for name in ("base", "new")}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--case", "c111"], "no case is called 'c111'\n  did you mean: c11"),
        (["--case", "othr/o0"], "no case is called 'othr/o0'\n  did you mean: other/o0\n"),
        (["--tag", "smoke", "--case", "o*"], "no case is selected\n  found: 2 of 14 cases"),
        (["--limit", "0"], "argument --limit: 0 is no whole number from 1\n"),
        (["--limit", "-3"], "argument --limit: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_what_selects_nothing_is_said(
    command: str, words: list[str], said: str, capsys: Printed
) -> None:
    assert main([command, *words]) == 2
    assert capsys.readouterr().err.startswith(said)
    assert not Path(".harness/store.db").exists()
