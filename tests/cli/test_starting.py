"""`harness init` and `harness checks`: the first minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_first_suite_is_written_and_right(capsys: Printed) -> None:
    assert main(["init"]) == 0
    assert capsys.readouterr().out == (
        "written  harness.toml\n"
        "written  suites/first.yaml\n"
        "written  conftest.py\n"
        "written  .gitignore\n"
        "next: harness validate, then: harness run --model DIR --adapter NAME=DIR\n"
    )
    assert main(["validate"]) == 0
    assert capsys.readouterr().out == ("suites/first.yaml: first, 3 cases, instruction_following\n")
    assert main(["run", "--backend", "echo"]) == 1


def test_a_folder_elsewhere_is_gone_to_first(capsys: Printed) -> None:
    assert main(["init", "my project"]) == 0

    assert capsys.readouterr().out.splitlines()[-1] == (
        "next: cd 'my project', then: harness validate, then: harness run --model DIR --adapter "
        "NAME=DIR"
    )
    assert Path("my project/.gitignore").read_text().splitlines()[1:] == [".harness/", "reports/"]


def test_what_a_file_of_git_lacks_is_said(capsys: Printed) -> None:
    Path(".gitignore").write_text("*.pyc\nreports\n")

    assert main(["init"]) == 0

    assert "kept     .gitignore\nadd to .gitignore: .harness/\n" in capsys.readouterr().out
    assert Path(".gitignore").read_text() == "*.pyc\nreports\n"


def test_nothing_that_is_there_is_touched(capsys: Printed) -> None:
    Path("harness.toml").write_text("# mine\n")
    Path("conftest.py").write_text("# mine too\n")

    assert main(["init"]) == 0
    assert capsys.readouterr().out == (
        "kept     harness.toml\n"
        "written  suites/first.yaml\n"
        "kept     conftest.py\n"
        "written  .gitignore\n"
        'add to conftest.py, for pytest: pytest_plugins = ["harness.pytest_plugin"]\n'
        "next: harness validate, then: harness run --model DIR --adapter NAME=DIR\n"
    )
    assert Path("harness.toml").read_text() == "# mine\n"


@pytest.mark.parametrize("folder", ["checks", "suites"])
def test_no_example_is_put_beside_suites_that_are_there(capsys: Printed, folder: str) -> None:
    Path("harness.toml").write_text('suites = ["checks"]\n')
    Path(folder, "mine").mkdir(parents=True)
    Path(folder, "mine", "own.yaml").write_text("")

    assert main(["init"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == (
        f"kept     {folder}: it holds suites, so no example is written"
    )
    assert not Path("suites/first.yaml").exists()


def test_a_configuration_that_is_wrong_is_kept_too(capsys: Printed) -> None:
    Path("harness.toml").write_text("suites = 3\n")

    assert main(["init"]) == 0
    assert capsys.readouterr().out.startswith("kept     harness.toml\nwritten  suites/first.yaml\n")


def test_a_folder_that_cannot_be_made(capsys: Printed) -> None:
    Path("file").write_text("")

    assert main(["init", "file"]) == 2
    assert capsys.readouterr().err == (
        "file/harness.toml: cannot be written: a file stands where a folder belongs\n"
        "  hint: name another folder\n"
    )


def test_all_checks_are_listed(capsys: Printed) -> None:
    assert main(["checks"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["json_schema"].startswith("The answer is JSON that fits the schema")
    assert "contains" in lines


def test_one_check_is_described(capsys: Printed) -> None:
    assert main(["checks", "starts_with"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("## starts_with\n")
    assert "| **`texts`** | list of text or text | mandatory |" in page
    assert "passes" in page and "fails" in page


def test_a_slip_in_the_name_of_a_check(capsys: Printed) -> None:
    assert main(["checks", "contians"]) == 2
    assert capsys.readouterr().err == (
        "check 'contians' is not known\n"
        "  did you mean: contains\n"
        "  hint: `harness checks` lists them\n"
    )


def test_a_folder_in_the_place_of_a_file(capsys: Printed) -> None:
    Path("new/harness.toml").mkdir(parents=True)

    assert main(["init", "new"]) == 2
    assert capsys.readouterr().err == (
        "new/harness.toml: cannot be written: a folder stands where a file belongs\n"
        "  hint: name another folder\n"
    )


def test_a_path_that_cannot_be_used_is_no_traceback(capsys: Printed) -> None:
    Path("file").write_text("")

    assert main(["rollback", "--to", "base", "--current", "file/x"]) == 2
    assert capsys.readouterr().err == (
        "file: cannot be used\n  found: not a directory\n  hint: name another path\n"
    )
