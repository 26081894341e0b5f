"""`harness show RUN CASE`: prompts, answers and reasons, found by case, variant and outcome."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.store import Store, drop_runs
from tests.recorded_project import Record, recorder, write_project

Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run in which `new` lost five of twelve cases; it is copied, and not used."""
    folder = tmp_path_factory.mktemp("once")
    write_project(folder)
    recorder(folder)({"base": "++++++++++++", "new": "+++++++-----"})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run"]) == 1
    return folder


@pytest.fixture(autouse=True)
def run(once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of that run, in a project of the test's own."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    with Store(Path(".harness/store.db")) as store:
        return store.runs()[0].id


@pytest.fixture
def record(run: str) -> Record:
    """Records other answers of the project."""
    return recorder(Path())


def test_a_case_is_shown_with_prompt_answers_and_reasons(run: str, capsys: Printed) -> None:
    assert main(["show", run, "c07"]) == 0
    assert capsys.readouterr().out == (
        "colours/c07  [rest]\n"
        "  user\n"
        "    Say red.\n"
        "  base  ✓ pass\n"
        "    red\n"
        "  new  ✗ fail\n"
        "    blue\n"
        "    contains: 'red' not found\n"
        "\n"
        f"run {run}: 1 case selected\n"
    )


@pytest.mark.parametrize(
    ("words", "cases"),
    [
        (["c0[0-2]"], ["c00", "c01", "c02"]),
        (["colours/c1*", "c00"], ["c00", "c10", "c11"]),
        (["--failed"], ["c07", "c08", "c09", "c10", "c11"]),
        (["--failed", "--variant", "base"], []),
        (["--worse"], ["c07", "c08", "c09", "c10", "c11"]),
        (["--worse", "c10", "c00"], ["c10"]),
        (["--tag", "smoke"], ["c00", "c01", "c02"]),
        (["--most", "2"], ["c00", "c01"]),
    ],
    ids=" ".join,
)
def test_cases_are_found(words: list[str], cases: list[str], capsys: Printed) -> None:
    globs = [word for word in words if word.startswith("c")]
    options = [word for word in words if word not in globs]
    assert main(["show", "latest", *globs, *options, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["case"] for row in rows] == cases
    if "--worse" in words:
        assert {tuple(row["worse"]) for row in rows} == {("new",)}

    assert main(["show", "latest", *globs, *options]) == 0
    out = capsys.readouterr().out
    assert [case for case in (f"c{n:02}" for n in range(12)) if f"colours/{case} " in out] == cases


def test_a_row_holds_prompt_answer_and_checks(run: str, capsys: Printed) -> None:
    assert main(["show", run, "c07", "--variant", "new", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert {name: row[name] for name in ("run", "suite", "case")} == {
        "run": run,
        "suite": "colours",
        "case": "c07",
    }
    (result,) = row["results"]
    assert (result["variant"], result["outcome"], result["response"]) == ("new", "fail", "blue")
    assert result["prompt"] == [{"role": "user", "content": "Say red."}]
    assert [check["check"] for check in result["checks"]] == ["contains"]


def test_the_scorecard_is_the_json_of_a_run(run: str, capsys: Printed) -> None:
    assert main(["show", run, "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["verdict"] == "regressed"
    assert printed == json.loads(Path("reports", run, "scorecard.json").read_text("utf-8"))


def test_many_cases_are_cut_short_and_it_is_said(run: str, capsys: Printed) -> None:
    assert main(["show", run, "--most", "5", "--tag", "rest"]) == 0
    assert capsys.readouterr().out.endswith(
        f"\nrun {run}: 5 of 9 cases selected; 4 more: --most N\n"
    )


def test_long_and_hostile_answers(record: Record, capsys: Printed) -> None:
    answer = "\x1b[2Jgone\u202e " + "x" * 5000
    row = {"case": "c00", "variant": "new", "response": answer}
    Path("answers.jsonl").write_text(json.dumps(row) + "\n")
    assert main(["run", "--case", "c00", "--variant", "new=model:new", "--baseline", "none"]) == 0
    capsys.readouterr()

    assert main(["show", "latest", "c00"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "    \\x1b[2Jgone\\u202e xxx" in out
    assert "    [… 1,010 characters more: --full prints them …]\n" in out
    assert main(["show", "latest", "c00", "--full"]) == 0
    assert "x" * 5000 in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["c77"],
            "no case is called 'c77'\n  did you mean: c07\n"
            "  hint: a glob on a case's id, or on SUITE/ID; `harness validate SUITE` reads the "
            "suites\n",
        ),
        (
            ["--tag", "smok"],
            "no case has the tag 'smok'\n  expected: rest, smoke\n  did you mean: smoke\n",
        ),
        (
            ["c07", "--tag", "smoke"],
            "no case is selected\n  found: 1 of 12 cases are called so, none has the tag\n"
            "  hint: a case has to be called so and to have one of the tags\n",
        ),
        (
            ["--variant", "nev"],
            "variant 'nev' did not answer in run {run}\n"
            "  expected: base, new\n  did you mean: new\n",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_in_the_run(run: str, words: list[str], said: str, capsys: Printed) -> None:
    assert main(["show", run, *words]) == 2
    assert capsys.readouterr().err == said.format(run=run)


@pytest.mark.parametrize("name", ["reports/{run}", "reports/{run}/scorecard.html"])
def test_the_folder_of_a_report_names_its_run(run: str, name: str, capsys: Printed) -> None:
    assert main(["show", name.format(run=run), "c07", "--json"]) == 0
    found = capsys.readouterr().out
    assert main(["show", run, "c07", "--json"]) == 0
    assert capsys.readouterr().out == found


@pytest.mark.parametrize(
    "words",
    [["--variant", "new", "c07", "c08"], ["c07", "--full", "c08"], ["--json", "c07", "c08"]],
    ids=" ".join,
)
def test_cases_may_stand_after_options(run: str, words: list[str], capsys: Printed) -> None:
    assert main(["show", run, *words]) == 0
    out = capsys.readouterr().out
    assert ("c07" in out, "c08" in out, "c09" in out) == (True, True, False)


def test_a_run_without_a_baseline_has_no_worse_cases(record: Record, capsys: Printed) -> None:
    record({"base": "++++++++++++"})
    main(["run"])
    capsys.readouterr()
    assert main(["show", "latest", "--worse"]) == 2
    assert "has no baseline: nothing can have got worse\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["show", "RUN", "c00"],
        ["compare", "RUN:base", "latest:new"],
        ["rescore", "RUN"],
        ["fix", "RUN", "--dry-run"],
        ["judge", "calibrate", "--run", "RUN"],
        ["run", "--baseline", "RUN:base"],
        ["export", "RUN", "--to", "csv"],
    ],
    ids=lambda words: words[0],
)
def test_a_run_that_was_removed_is_said(run: str, words: list[str], capsys: Printed) -> None:
    store = Path(".harness/store.db")
    assert main(["run", "--label", "another"]) == 1
    with Store(store) as opened:
        drop_runs(opened, [run])
    capsys.readouterr()
    assert main([word.replace("RUN", run) for word in words]) == 2
    assert capsys.readouterr().err == (
        f".harness/store.db: run {run} was removed from the store, by `harness cache prune` or by "
        f"a night\n  hint: its report may still be there: reports/{run}/scorecard.html\n"
    )


def test_a_baseline_from_elsewhere_is_said(run: str, record: Record, capsys: Printed) -> None:
    record({"new": "++++++++++++"})
    words = ["--variant", "new=model:new", "--baseline", f"{run}:base"]
    assert main(["run", *words]) == 0
    capsys.readouterr()
    assert main(["show", "latest", "c00", "--variant", "new"]) == 0
    assert capsys.readouterr().out.endswith(f"note: base answered elsewhere: {run}:base\n")
    assert main(["show", "latest", "c00", "--variant", "base"]) == 2
    said = f": its answers are those of {run}:base\n  expected: new\n"
    assert said in capsys.readouterr().err
