"""`harness compare`: any runs or variants, from the store, folders or a baseline file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.store import Store
from tests.recorded_project import Record

ALL = "++++++++++++"
WORSE = "-------+++++"
SUITE = Path("suites/colours.yaml")
Printed = pytest.CaptureFixture[str]


def run_ids() -> list[str]:
    """The ids of all runs, oldest first."""
    with Store(Path(".harness/store.db")) as store:
        return [run.id for run in reversed(store.runs())]


@pytest.fixture
def runs(record: Record, capsys: Printed) -> list[str]:
    """Two runs of base and new; in the second, new got worse."""
    for answers in (ALL, WORSE):
        record({"base": ALL, "new": answers})
        main(["run"])
    capsys.readouterr()
    return run_ids()


def tail(run_id: str) -> str:
    return run_id.rpartition("-")[2]


def comparison() -> dict[str, object]:
    """The one comparison under reports/."""
    (path,) = Path("reports").glob("compare-*/scorecard.json")
    card: dict[str, object] = json.loads(path.read_text())
    return card


def printed(capsys: Printed) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_two_runs_are_paired(runs: list[str], capsys: Printed) -> None:
    old, new = (f"new.{tail(run)}" for run in runs)

    assert main(["compare", runs[0], "latest"]) == 1
    out = printed(capsys)
    assert f"{new} must not replace {old}: it got worse in colours." in out
    assert "7 cases got worse, 0 got better" in out
    assert f"note: {old} is variant new of run {runs[0]}" in out


def test_a_comparison_leaves_four_files_and_the_pointer_alone(runs: list[str]) -> None:
    main(["compare", runs[0], runs[1]])

    (folder,) = Path("reports").glob("compare-*")
    assert folder.name == f"compare-{runs[0]}.new-vs-{runs[1]}.new"
    assert sorted(file.name for file in folder.iterdir()) == [
        "results.jsonl",
        "scorecard.html",
        "scorecard.json",
        "summary.md",
    ]
    assert Path("reports/latest").resolve().name == runs[1]
    card = comparison()
    assert card["run"]["kind"] == "comparison"  # type: ignore[index]
    assert card["verdict"] == "regressed"
    assert (folder / "summary.md").read_text().startswith("## ✗ regressed: comparison compare-")


def test_variants_are_named_after_a_colon(runs: list[str], capsys: Printed) -> None:
    assert main(["compare", f"{runs[1]}:base", "latest:new"]) == 1
    assert "new must not replace base" in printed(capsys)
    assert main(["compare", f"{runs[0]}:base", f"{runs[1]}:base"]) == 0


def test_several_sides_are_each_compared_with_the_first(runs: list[str], capsys: Printed) -> None:
    assert main(["compare", f"{runs[0]}:base", f"{runs[0]}:new", f"{runs[1]}:new"]) == 1
    out = printed(capsys)
    assert f"No loss was found in new.{tail(runs[0])}, but these suites can only see" in out
    assert f"new.{tail(runs[1])} must not replace base" in out


def test_folders_are_compared_without_a_store(runs: list[str]) -> None:
    shutil.rmtree(".harness")

    assert main(["compare", f"reports/{runs[0]}", "reports/latest"]) == 1
    assert not Path(".harness").exists()


def test_a_committed_baseline_is_a_side(runs: list[str], capsys: Printed) -> None:
    main(["baseline", "save", "base.json", runs[0]])
    capsys.readouterr()

    assert main(["compare", "base.json", "latest"]) == 1
    assert "new must not replace base" in printed(capsys)


def test_changed_cases_are_not_compared_unless_the_user_insists(
    record: Record, capsys: Printed
) -> None:
    for text in ("Say red.", "Say the word red."):
        SUITE.write_text(SUITE.read_text().replace("Say red.", text))
        record({"base": ALL})
        main(["run"])
    old, new = run_ids()
    capsys.readouterr()

    assert main(["compare", old, new]) == 2
    assert capsys.readouterr().err == (
        f"no case of variant base of run {new} can be compared with variant base of run {old}\n"
        "  found: the case itself (its messages or checks) differs\n"
        "  hint: run both in the same environment on the same suites; --insist compares them all "
        "the same, and the report says so\n"
    )
    old = f"base.{tail(old)}"
    assert main(["compare", "--insist", *run_ids()]) == 0
    assert f"12 cases unlike {old} and compared all the same, as you insisted" in printed(capsys)


def test_other_environments_are_named(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    main(["run", "--backend", "echo"])
    capsys.readouterr()

    assert main(["compare", *run_ids()]) == 2
    assert "found: the environment (engine replay → echo) differs\n" in capsys.readouterr().err
    assert not list(Path("reports").glob("compare-*"))


def test_a_side_of_which_nothing_can_be_compared_is_named(record: Record, capsys: Printed) -> None:
    record({"base": ALL, "new": WORSE})
    main(["run"])
    main(["run", "--backend", "echo", "--adapter", "new=adapters/new"])
    first, second = run_ids()
    capsys.readouterr()

    assert main(["compare", f"{first}:base", f"{first}:new", f"{second}:new"]) == 2
    (line, *_) = capsys.readouterr().err.splitlines()
    assert line == (
        f"no case of variant new of run {second} can be compared with variant base of run {first}"
    )


def test_a_suite_that_changed_is_an_error_beside_others_that_did_not(
    record: Record, capsys: Printed
) -> None:
    """The comparison stands, and says that one suite of it is open."""
    record({"base": ALL})
    shades = Path("suites/shades.yaml")
    shades.write_text(SUITE.read_text().replace("colours", "shades").replace("id: c", "id: s"))
    for text in ("Say red.", "Say the word red."):
        shades.write_text(shades.read_text().replace("Say red.", text))
        main(["run", "--backend", "echo"])
    capsys.readouterr()

    assert main(["compare", *run_ids()]) == 3
    out = printed(capsys)
    assert "shades: no case could be compared with base." in out
    assert "12 cases not compared with base." in out


def test_suites_of_one_side_are_said(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    other = SUITE.read_text().replace("colours", "shades").replace("id: c", "id: s")
    Path("suites/shades.yaml").write_text(other)
    rows = Path("answers.jsonl").read_text()
    Path("answers.jsonl").write_text(rows + rows.replace('"case": "c', '"case": "s'))
    main(["run"])
    capsys.readouterr()

    assert main(["compare", *run_ids()]) == 0
    name = f"base.{tail(run_ids()[1])}"
    assert f"suite shades was not compared: only {name} has results" in printed(capsys)


def test_other_gates_are_said(record: Record, capsys: Printed) -> None:
    for bar in ("0.5", "0.9"):
        SUITE.write_text(SUITE.read_text().replace("min_pass_rate: 0.5", f"min_pass_rate: {bar}"))
        record({"base": "--++++++++++"})
        main(["run"])
    name = f"base.{tail(run_ids()[1])}"
    capsys.readouterr()

    assert main(["compare", *run_ids()]) == 1
    assert f"suite colours: the gates differ, that of {name} is used" in printed(capsys)


def test_runs_without_a_common_case(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    SUITE.write_text(SUITE.read_text().replace("id: c", "id: d"))
    rows = Path("answers.jsonl").read_text()
    Path("answers.jsonl").write_text(rows.replace('"case": "c', '"case": "d'))
    main(["run"])
    old, new = (f"base.{tail(run)}" for run in run_ids())
    capsys.readouterr()

    assert main(["compare", *run_ids()]) == 2
    assert capsys.readouterr().err == (
        "the runs have no case in common\n"
        f"  found: {old}: c00, c01, c02, c03, c04 and 7 more; "
        f"{new}: d00, d01, d02, d03, d04 and 7 more\n"
    )


def test_runs_without_a_common_suite(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    SUITE.write_text(SUITE.read_text().replace("colours", "shades"))
    main(["run"])
    old, new = (f"base.{tail(run)}" for run in run_ids())
    capsys.readouterr()

    assert main(["compare", *run_ids()]) == 2
    assert capsys.readouterr().err == (
        f"the runs have no suite in common\n  found: {old}: colours; {new}: shades\n"
    )


def test_all_that_is_wrong_with_the_sides_is_said_at_once(runs: list[str], capsys: Printed) -> None:
    assert main(["compare", f"{runs[0]}:nwe", "reports/none", "suites"]) == 2
    assert capsys.readouterr().err == (
        f"variant 'nwe' is not part of run {runs[0]}\n"
        "  expected: base, new\n"
        "  did you mean: new\n"
        "reports/none: there is no such file or folder\n"
        "suites/scorecard.json: this is no report of a run: there is no scorecard\n"
        "  expected: a folder under reports/, as a run leaves it\n"
        "3 problems\n"
    )


@pytest.mark.parametrize("baseline", ["base.json", "RUN:base"])
@pytest.mark.parametrize("side", ["reports/latest", "reports/latest:new", "latest", "latest:new"])
def test_a_run_against_a_baseline_from_elsewhere_is_a_side(
    runs: list[str], record: Record, capsys: Printed, baseline: str, side: str
) -> None:
    main(["baseline", "save", "base.json", runs[0]])
    record({"new": ALL})
    main(["run", "--baseline", baseline.replace("RUN", runs[0])])
    capsys.readouterr()

    assert main(["compare", side, f"reports/{runs[1]}:new"]) == 1
    assert "it got worse in colours" in printed(capsys)


@pytest.mark.parametrize("baseline", ["base.json", "RUN:base"])
@pytest.mark.parametrize("side", ["reports/latest:base", "latest:base"])
def test_a_baseline_from_elsewhere_is_no_side_and_says_where_it_is(
    runs: list[str], record: Record, capsys: Printed, baseline: str, side: str
) -> None:
    main(["baseline", "save", "base.json", runs[0]])
    record({"new": ALL})
    source = baseline.replace("RUN", runs[0])
    main(["run", "--baseline", source])
    newest = run_ids()[-1]
    capsys.readouterr()

    assert main(["compare", side, "latest:new"]) == 2
    assert capsys.readouterr().err == (
        f"variant 'base' did not answer in run {newest}: its answers are those of {source}\n"
        f"  hint: name {source} instead of {side}\n"
    )


@pytest.mark.parametrize(
    ("side", "message"),
    [
        ("baselines/none.json", "baselines/none.json: there is no such file\n"),
        ("none.json", "none.json: there is no such file\n"),
        ("reports/none:new", "reports/none: there is no such file or folder\n"),
        (
            "latest:",
            "the name of the variant is missing after the colon\n  found: latest:\n"
            "  expected: latest or latest:NAME\n",
        ),
        (
            "none",
            "no run is called 'none'\n"
            "  hint: `harness runs` lists them; `latest` is the newest that finished\n",
        ),
    ],
)
def test_a_side_that_is_not_there(
    runs: list[str], capsys: Printed, side: str, message: str
) -> None:
    assert main(["compare", side, runs[0]]) == 2
    assert capsys.readouterr().err == message


def test_a_side_alone(runs: list[str], capsys: Printed) -> None:
    assert main(["compare", runs[0]]) == 2
    assert capsys.readouterr().err == (
        f"a comparison needs at least two runs\n  found: {runs[0]}\n"
        "  hint: two variants of one run are RUN:VARIANT each: latest:base latest:new\n"
    )


def test_a_side_twice(runs: list[str], capsys: Printed) -> None:
    assert main(["compare", runs[0], f"reports/{runs[0]}"]) == 2
    assert capsys.readouterr().err == (
        f"variant new of run {runs[0]} is on two sides\n"
        "  hint: name another run, or another variant of it as RUN:VARIANT\n"
    )


def test_several_candidates_and_none_named(record: Record, capsys: Printed) -> None:
    record({"base": ALL, "one": ALL, "two": ALL})
    main(["run"])
    capsys.readouterr()

    assert main(["compare", "latest", "latest:one"]) == 2
    assert capsys.readouterr().err == (
        f"run {run_ids()[0]} has several variants: say which to compare\n"
        "  expected: latest:base or latest:one or latest:two\n"
    )
