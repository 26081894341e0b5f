"""Commands from a folder of the project: what is typed is there, what is configured is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.results import RunInfo
from harness.store import Store
from tests.recorded_project import Record

ALL = "+" * 12
WORSE = "-" * 9 + "+++"
MODEL = Path(__file__).parents[2] / "fixtures/model"
ADAPTER = Path(__file__).parents[2] / "fixtures/adapters/repaired"
Printed = pytest.CaptureFixture[str]


@pytest.fixture
def sub(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the project, as the working directory."""
    folder = project / "sub"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def runs(project: Path) -> list[RunInfo]:
    """The runs of the project's store, newest first."""
    with Store(project / ".harness/store.db") as store:
        return list(store.runs())


def test_configured_paths_are_those_of_the_project(
    project: Path, sub: Path, record: Record
) -> None:
    record({"base": ALL})

    assert main(["run"]) == 0
    assert (project / "reports/latest").exists()
    assert [path.name for path in sub.iterdir()] == []


def test_typed_paths_are_those_of_the_folder(project: Path, sub: Path, record: Record) -> None:
    record({"base": ALL})
    (project / "answers.jsonl").rename(sub / "mine.jsonl")

    words = ["--responses", "mine.jsonl", "--report-dir", "out", "--store", "mine.db"]

    assert main(["score", "../suites", *words]) == 0
    assert (sub / "out/latest/scorecard.json").is_file()
    assert (sub / "mine.db").is_file()
    assert not (project / ".harness").exists()


def test_a_baseline_is_saved_shown_and_compared_with_where_it_is_typed(
    project: Path, sub: Path, record: Record, capsys: Printed
) -> None:
    record({"base": ALL})
    assert main(["run"]) == 0
    assert main(["baseline", "save", "saved.json"]) == 0
    assert "compare against it: harness run --baseline saved.json" in capsys.readouterr().out
    assert (sub / "saved.json").is_file()
    record({"new": WORSE})

    assert main(["baseline", "show", "saved.json"]) == 0
    assert main(["run", "--baseline", "saved.json"]) == 1
    assert main(["run", "--baseline", "../saved.json"]) == 2
    assert capsys.readouterr().err.endswith(
        "--baseline ../saved.json: there is no such file\n"
        f"  found: nothing at {project}/saved.json\n"
    )


def test_a_configured_baseline_is_that_of_the_project(
    project: Path, sub: Path, record: Record
) -> None:
    record({"base": ALL})
    assert main(["run"]) == 0
    assert main(["baseline", "save", "../saved.json"]) == 0
    with (project / "harness.toml").open("a") as file:
        file.write('baseline = "saved.json"\n')
    record({"new": WORSE})

    assert main(["run"]) == 1
    assert runs(project)[0].source == "saved.json"


def test_a_typed_baseline_is_found_again_from_the_root(
    project: Path, sub: Path, record: Record, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    record({"base": ALL})
    assert main(["run"]) == 0
    assert main(["baseline", "save", "saved.json"]) == 0
    record({"new": WORSE})
    assert main(["run", "--baseline", "saved.json"]) == 1
    monkeypatch.chdir(project)

    assert runs(project)[0].source == "sub/saved.json"
    assert main(["show"]) == 1
    assert "cannot be read any more" not in capsys.readouterr().out


def test_suites_of_a_run_are_found_again_from_another_folder(
    project: Path, sub: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record({"base": ALL})
    assert main(["run", "../suites/colours.yaml"]) == 0
    assert runs(project)[0].suites[0].path == "suites/colours.yaml"

    assert main(["rescore"]) == 0
    monkeypatch.chdir(project)
    assert main(["rescore"]) == 0


def test_the_link_to_the_adapter_in_use_is_typed_or_the_project_s(
    project: Path, sub: Path, capsys: Printed
) -> None:
    for link in (project / ".harness/adapters/current", sub / "mine"):
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"fix-{link.name}", target_is_directory=True)

    assert main(["rollback", "--list"]) == 0
    assert main(["rollback", "--list", "--current", "mine"]) == 0
    assert capsys.readouterr().out == "in use: fix-current\nin use: fix-mine\n"


def test_answers_of_a_run_from_the_root_are_found_from_a_sub_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of an answer holds content and no path; so do model and adapter here, two links."""
    (tmp_path / "harness.toml").write_text('suites = ["suites"]\nmodel = "model"\ndevice = "cpu"\n')
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites/one.yaml").write_text(
        "suite: one\ncategory: c\ndefaults: {sampling: {max_new_tokens: 2}}\n"
        "cases: [{id: red, user: Say red., checks: [{words: {min: 0}}]}]\n"
    )
    (tmp_path / "model").symlink_to(MODEL, target_is_directory=True)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/new").symlink_to(ADAPTER, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--adapter", "new=sub/new"]) in (0, 1)
    monkeypatch.chdir(tmp_path / "sub")

    assert main(["run", "--adapter", "new"]) in (0, 1)

    second, first = runs(tmp_path)
    assert (first.generated, first.cached) == (2, 0)
    assert (second.generated, second.cached) == (0, 2)
    assert [v.weights for v in second.variants] == [v.weights for v in first.variants]
    card = json.loads((tmp_path / "reports/latest/scorecard.json").read_text())
    assert card["run"]["options"] == [*("--model=model", "--adapter=sub/new", "--device=cpu")]
