"""Which files are suites: what is configured, and what the command line names."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError
from harness.config import Settings, select_files


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("starter/a.yaml", "starter/deep/b.yml", "instruct/c.yaml", "starter/data.jsonl"):
        file = tmp_path / "suites" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return Settings(suites=("suites/starter",))


def chosen(settings: Settings, *named: str) -> list[str]:
    return [path.as_posix() for path in select_files(named, settings)]


def test_without_a_name_the_configured_suites_run(project: Settings) -> None:
    assert chosen(project) == ["suites/starter/a.yaml", "suites/starter/deep/b.yml"]


def test_a_folder_above_brings_what_is_configured_below_it(project: Settings) -> None:
    assert chosen(project, "suites") == ["suites/starter/a.yaml", "suites/starter/deep/b.yml"]


def test_a_folder_that_is_named_runs_though_not_configured(project: Settings) -> None:
    assert chosen(project, "suites/instruct") == ["suites/instruct/c.yaml"]


def test_a_file_that_is_named_runs(project: Settings) -> None:
    assert chosen(project, "suites/instruct/c.yaml") == ["suites/instruct/c.yaml"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            "suites/startr",
            "no such file or folder: suites/startr\n  did you mean: suites/starter",
        ),
        (
            "suites/starter/data.jsonl",
            "suites/starter/data.jsonl: not a suite file\n  expected: a .yaml or .yml file",
        ),
        (
            "empty",
            "no suite in empty\n"
            "  expected: a .yaml file in that folder, or below it and configured\n"
            "  hint: name the folder that holds the suites",
        ),
    ],
)
def test_nothing_to_run_is_an_input_error(project: Settings, named: str, message: str) -> None:
    Path("empty").mkdir()

    with pytest.raises(InputError) as caught:
        select_files([named], project)

    assert str(caught.value) == message


def test_no_name_and_no_configuration_is_an_input_error() -> None:
    with pytest.raises(InputError) as caught:
        select_files([], Settings(root=Path("empty")))

    assert str(caught.value) == (
        "no suite given\n"
        '  hint: name a file or folder, or set suites = ["suites"] in empty/harness.toml, '
        "which `harness init` writes"
    )
