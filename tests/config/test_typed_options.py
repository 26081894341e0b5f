"""Options that are typed in a folder of a project mean files of that folder, and say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError, Variant
from harness.config import Settings, load_typed
from harness.evaluation import variants_of


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A configured project with an adapter and a model, and a folder `sub` with one adapter."""
    (tmp_path / "harness.toml").write_text('model = "base"\nresponses = "configured.jsonl"\n')
    for name in ("base", "out/new", "sub/mine"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def typed(project: Path, **options: object) -> Settings:
    return load_typed(project, {"backend": "hf", **options}, project / "sub")


def variants(settings: Settings) -> tuple[Variant, ...]:
    """The variants of a run that reads no recorded answers."""
    return variants_of(settings.model_copy(update={"responses": None})).members


def refused(project: Path, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        typed(project, **options)
    return str(caught.value).replace(str(project), "/project")


def test_what_is_typed_is_here_and_what_is_configured_is_in_the_project(project: Path) -> None:
    settings = typed(project, adapter=["mine", "new=../out/new"], store="answers.db")

    assert settings.adapter == ("sub/mine", "new=out/new")
    assert settings.path(settings.store) == project / "sub/answers.db"
    assert settings.path(settings.report_dir) == project / "reports"
    assert settings.path(settings.responses or "") == project / "configured.jsonl"
    assert [variant.adapter for variant in variants(settings)] == [
        None,
        str(project / "sub/mine"),
        str(project / "out/new"),
    ]


def test_typed_in_the_root_everything_stays_as_it_was_typed(project: Path) -> None:
    given = {"adapter": ["new=out/../out/new"], "report_dir": "reports/"}

    settings = load_typed(project, given, project)

    assert settings.adapter == ("new=out/../out/new",)
    assert settings.report_dir == Path("reports/")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"adapter": ["new=out/new"]},
            "--adapter new=out/new: there is no such directory\n"
            "  found: nothing at /project/sub/out/new\n"
            "  did you mean: new=../out/new",
        ),
        (
            {"adapter": ["nowhere"]},
            "--adapter nowhere: there is no such directory\n"
            "  found: nothing at /project/sub/nowhere\n"
            "  hint: give the directory with adapter_config.json and adapter_model.safetensors",
        ),
        (
            {"variant": ["old=adapter:./mien"], "responses": "answers.jsonl"},
            "--variant old=adapter:./mien: there is no such directory\n"
            "  found: nothing at /project/sub/mien\n"
            "  did you mean: old=adapter:./mine\n"
            "--responses answers.jsonl: there is no such file\n"
            "  found: nothing at /project/sub/answers.jsonl",
        ),
        (
            {"variant": ["other=model:base"]},
            "--variant other=model:base: there is no such directory\n"
            "  found: nothing at /project/sub/base\n"
            "  did you mean: other=model:../base",
        ),
        (
            {"model": "base"},
            "--model base: there is no such directory\n"
            "  found: nothing at /project/sub/base\n"
            "  did you mean: ../base",
        ),
        (
            {"baseline": "saved.json"},
            "--baseline saved.json: there is no such file\n"
            "  found: nothing at /project/sub/saved.json",
        ),
        (
            {"baseline": "../reports/one:new"},
            "--baseline ../reports/one:new: there is no such file or folder\n"
            "  found: nothing at /project/reports/one",
        ),
    ],
)
def test_what_is_not_there_is_said_as_it_was_typed_with_the_place(
    project: Path, options: dict[str, object], message: str
) -> None:
    assert refused(project, **options) == message


def test_a_name_that_a_server_knows_is_no_path(project: Path) -> None:
    settings = typed(project, backend="openai", model="base", adapter=["new=served"])

    assert (settings.model, settings.adapter) == ("base", ("new=served",))


def test_a_glob_that_finds_nothing_says_where_it_looked(project: Path) -> None:
    with pytest.raises(InputError) as caught:
        variants(typed(project, adapter=["out/*"]))

    assert str(caught.value) == f"no directory matches '{project}/sub/out/*'"


def test_a_configured_model_is_never_one_of_the_working_directory(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "base").rmdir()
    (project / "sub/base").mkdir()
    monkeypatch.chdir(project / "sub")

    assert variants(typed(project))[0].model == str(project / "base")
    assert variants(typed(project, backend="openai"))[0].model == "base"
