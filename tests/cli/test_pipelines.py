"""`--summary`, `--github` and `--gitlab`: what a pipeline is told, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.common import InputError, Problem
from harness.reports import Annotation, annotations_of_error, to_code_quality, to_github
from tests.recorded_project import Record


@pytest.mark.parametrize(
    ("annotation", "command"),
    [
        (
            Annotation("error", "a, b: 100 %", "50 % of a: b, c\nnext", "s/a.yaml", 3, 5),
            "::error title=a%2C b%3A 100 %25,file=s/a.yaml,line=3,col=5::50 %25 of a: b, c%0Anext",
        ),
        (Annotation("notice", "t", "m"), "::notice title=t::m"),
        (
            Annotation("warning", "t\n::error::x", "\r::set-env::y\x1b[2J", "a,b:c.yaml", 1),
            "::warning title=t%0A%3A%3Aerror%3A%3Ax,file=a%2Cb%3Ac.yaml,line=1::"
            "%0A::set-env::y\\x1b[2J",
        ),
        (Annotation("warning", "t", "m", "../outside.yaml", 1), "::warning title=t,"),
    ],
)
def test_a_command_of_github(annotation: Annotation, command: str, tmp_path: Path) -> None:
    told = to_github(annotation, Path())

    assert told.startswith(command)
    assert "\n" not in told and "\r" not in told


def test_paths_are_said_from_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path / "models")
    annotation = Annotation("error", "t", "m", "suites/a.yaml", 2)

    assert "file=models/suites/a.yaml,line=2" in to_github(annotation, tmp_path)
    (remark,) = json.loads(to_code_quality([annotation, Annotation("error", "t", "m")], tmp_path))
    assert remark["location"] == {"path": "models/suites/a.yaml", "lines": {"begin": 2}}


def test_a_problem_is_an_annotation_at_its_place() -> None:
    error = InputError(Problem("no", "a.yaml", 3, 4, hint="yes"), Problem("broken"))

    assert list(annotations_of_error(error)) == [
        Annotation("error", "harness: wrong input", "no\n  hint: yes", "a.yaml", 3, 4),
        Annotation("error", "harness: wrong input", "broken"),
    ]


def test_a_run_tells_the_pipeline(
    project: Path,
    record: Record,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record({"base": "++++++++++++", "new": "--------++++"})
    monkeypatch.setenv("GITHUB_OUTPUT", str(project / "outputs"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "job.md"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project))

    assert main(["run", "--github", "--gitlab", "--summary", "s.md"]) == 1

    said = capsys.readouterr().out.splitlines()
    word = said[0].removeprefix("::stop-commands::")
    told = said[said.index(f"::{word}::") + 1 :]
    assert [line.split(":", 3)[2].split(" ")[0] for line in told] == ["error", *["warning"] * 3]
    assert "file=suites/colours.yaml,line=2::" in told[0]
    assert "title=c00%3A new got worse,file=suites/colours.yaml,line=6::" in told[1]
    summary = (project / "s.md").read_text()
    assert summary.startswith("## ✗ regressed: run ")
    assert (project / "job.md").read_text() == summary + "\n"
    outputs = dict(line.split("=", 1) for line in (project / "outputs").read_text().splitlines())
    assert (outputs["verdict"], outputs["exit-code"]) == ("regressed", "1")
    assert (project / outputs["report"] / "scorecard.html").is_file()
    assert outputs["headline"] == "new must not replace base: it got worse in colours."
    assert len(json.loads((project / "gl-code-quality-report.json").read_text())) == 4


def test_a_pass_is_a_notice_and_no_remark(
    project: Path, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record({"base": "++++++++++++", "new": "++++++++++++"})

    assert main(["run", "--github", "--gitlab"]) == 0

    (notice,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("::notice")
    ]
    assert notice.startswith("::notice title=harness%3A new::No loss was found in new")
    assert json.loads((project / "gl-code-quality-report.json").read_text()) == []


def test_a_summary_into_no_folder_is_told_before_anything_is_asked(
    project: Path, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    record({"base": "+"})

    assert main(["run", "--summary", "nothing/s.md"]) == 2
    assert capsys.readouterr().err == (
        "nothing/s.md: no summary can be written here: there is no such folder\n"
        "  hint: make the folder first\n"
    )
    assert not (project / "reports").exists()


def test_wrong_input_is_in_the_summary(project: Path, record: Record) -> None:
    record({"base": "+"})
    suite = project / "suites" / "colours.yaml"
    suite.write_text(suite.read_text().replace("contains", "contians", 1))

    assert main(["run", "--summary", "s.md"]) == 2
    assert (
        (project / "s.md")
        .read_text()
        .startswith("## ✗ error: wrong input, nothing was run\n\n    suites/colours.yaml:6:")
    )
