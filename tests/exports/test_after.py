"""Exports after a run and a night: told, done again, and never a change of the verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from harness.cli import main
from tests.recorded_project import CONFIGURATION, recorder, write_project

Printed = pytest.CaptureFixture[str]
FULL = "++++++++++++"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    recorder(tmp_path)({"base": FULL, "new": FULL})
    return tmp_path


def configure(lines: str) -> None:
    Path("harness.toml").write_text(CONFIGURATION + lines)


def test_each_run_is_exported_where_it_is_configured(project: Path, capsys: Printed) -> None:
    configure('[export]\nafter = ["jsonl", "inspect"]\ninto = "out"\n')
    assert main(["run"]) == 0
    (run,) = (path.name for path in Path("out").iterdir())
    told = capsys.readouterr().out.splitlines()[-2:]
    assert told == [
        f"exported to jsonl: out/{run}/jsonl: 24 rows in 1 file",
        f"exported to inspect: out/{run}/inspect: 2 logs of 24 samples; inspect view --log-dir "
        f"out/{run}/inspect",
    ]
    report = harness.run()
    assert [line.partition(": ")[0] for line in report.exported] == [
        "exported to jsonl",
        "exported to inspect",
    ]
    assert len(list(Path("out").iterdir())) == 2


def test_an_export_that_fails_is_told_and_done_again(project: Path, capsys: Printed) -> None:
    configure('[export]\nafter = ["csv"]\ninto = "out"\n')
    Path("out").write_text("a file where the folder belongs")
    recorder(project)({"base": FULL, "new": "+++++++-----"})
    assert main(["run"]) == 1
    told = capsys.readouterr().out.splitlines()[-4:]
    assert told[0].startswith("not exported to csv: out/")
    assert "no export can be written here" in told[0]
    assert told[1] == "  found: Not a directory"
    assert told[2] == "  hint: name another directory: --into DIR"
    again = told[3].partition("again: ")[2].split()
    assert told[3].startswith("  the run and its verdict stand; again: harness export 2")

    Path("out").unlink()
    assert main(again[1:]) == 0
    assert capsys.readouterr().out.endswith("/csv: 24 rows in 1 file\n")
    assert main(again[1:]) == 2
    assert capsys.readouterr().err.endswith(
        "this directory is there already\n"
        "  hint: name another with --into DIR, or replace it with --force\n"
    )
    assert main([*again[1:], "--force"]) == 0


def test_a_library_that_is_not_there_ends_no_run(project: Path, capsys: Printed) -> None:
    configure('[export]\nafter = ["mlflow", "wandb"]\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "mlflow", None)
        patch.setitem(__import__("sys").modules, "wandb", None)
        assert main(["run"]) == 0
        out = capsys.readouterr().out
        for name in ("mlflow", "wandb"):
            said = f"not exported to {name}: {name} is not installed\n  hint: pip install "
            assert said in out


def test_pytest_tells_of_exports(project: Path, pytester: pytest.Pytester) -> None:
    configure('[export]\nafter = ["jsonl"]\n')
    pytester.makeconftest('pytest_plugins = ["harness.pytest_plugin"]')
    write_project(pytester.path)
    recorder(pytester.path)({"base": FULL})
    (pytester.path / "harness.toml").write_text(CONFIGURATION + '[export]\nafter = ["jsonl"]\n')
    done = pytester.runpytest_inprocess("suites", "-q", "-p", "no:cacheprovider")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["exported to jsonl: *exports/2*/jsonl: 12 rows in 1 file"])


def test_a_night_is_exported_with_its_name(project: Path, capsys: Printed) -> None:
    night = "suites: [suites]\nbaseline: base\nvariants: {new: {model: new}}\n"
    Path("nightly.yaml").write_text(night + "export: [lm-eval]\n")
    assert main(["nightly", "nightly.yaml", "--model", "base"]) == 0
    assert "\nexported to lm-eval: exports/2" in capsys.readouterr().out
    (path,) = Path("exports").rglob("new/results_*.json")
    tags = json.loads(path.read_text("utf-8"))["harness"]["tags"]
    assert tags["harness.series"] == "nightly"
    assert tags["harness.night"].startswith("2")


def test_a_night_may_export_nothing(project: Path, capsys: Printed) -> None:
    configure('[export]\nafter = ["jsonl"]\n')
    Path("nightly.yaml").write_text("suites: [suites]\nexport: []\n")
    main(["nightly", "nightly.yaml", "--model", "base"])
    assert "export" not in capsys.readouterr().out
    assert not Path("exports").exists()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            '[export]\nafter = ["mlfow"]\n',
            "harness.toml:5:10: wrong value for 'export.after.0'\n  found: text 'mlfow'\n"
            "  expected: parquet, csv, jsonl, mlflow, wandb, inspect or lm-eval\n",
        ),
        (
            '[export.mlflow]\nurl = "x"\n',
            "harness.toml:5:1: unknown setting 'url'\n  did you mean: uri\n"
            "  hint: known settings: experiment, uri\n",
        ),
        (
            '[export.wandb]\nmode = "offlin"\n',
            "harness.toml:5:8: wrong value for 'export.wandb.mode'\n  found: text 'offlin'\n"
            "  expected: offline or online\n",
        ),
    ],
)
def test_wrong_settings_have_their_place(
    project: Path, capsys: Printed, lines: str, said: str
) -> None:
    configure(lines)
    assert main(["run"]) == 2
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "mlfow"], "nothing is known of the target 'mlfow'\n  expected: parquet, csv,"),
        (
            ["--to", "csv", "--uri", "x"],
            "--uri says nothing to --to csv\n  expected: --to mlflow\n",
        ),
        (
            ["--to", "inspect", "--project", "x"],
            "--project says nothing to --to inspect\n  expected: --to mlflow or wandb\n",
        ),
        (
            ["--to", "csv", "--into", "suites", "--force"],
            "suites: this directory is no export, and is not replaced\n",
        ),
    ],
)
def test_wrong_words_are_said(project: Path, words: list[str], said: str, capsys: Printed) -> None:
    main(["run"])
    capsys.readouterr()
    assert main(["export", *words]) == 2
    assert capsys.readouterr().err.startswith(said)
    assert Path("suites/colours.yaml").is_file()
