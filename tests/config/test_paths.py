"""A relative path means the same file, whoever says it and wherever it is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.config import Form, TypedPaths, project_path
from harness.config.paths import parse_value

ROOT = Path("/project")
STEPS = st.sampled_from(["a", "b", "..", "."])
PATHS = st.lists(STEPS, min_size=1, max_size=5).map("/".join)


@pytest.mark.parametrize(
    ("folder", "text", "said"),
    [
        ("/project", "out/new", "out/new"),
        ("/project", "../out//new/", "../out//new/"),
        ("/project/sub", "new", "sub/new"),
        ("/project/sub", "../out/new", "out/new"),
        ("/project/sub", "../../else/new", "/else/new"),
        ("/project/sub", "/data/new", "/data/new"),
        ("/else", "new", "/else/new"),
    ],
)
def test_a_path_is_said_as_the_project_writes_it(folder: str, text: str, said: str) -> None:
    assert project_path(Path(folder), text, ROOT) == said


def test_a_home_is_no_folder_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")

    assert project_path(Path("/project/sub"), "~/new", ROOT) == "/home/ann/new"


@given(PATHS, PATHS)
def test_what_is_said_leads_to_the_same_place(below: str, text: str) -> None:
    folder = ROOT / below

    said = project_path(folder, text, ROOT)

    assert os.path.normpath(ROOT / said) == os.path.normpath(folder / text)


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("input", "answers.jsonl", "sub/answers.jsonl"),
        ("output", "reports", "sub/reports"),
        ("adapter", "new=out/new", "new=sub/out/new"),
        ("adapter", "out/new", "sub/out/new"),
        ("adapter", "../out/checkpoint-*", "out/checkpoint-*"),
        ("adapter", "new=", "new="),
        ("variant", "new=adapter:out/new", "new=adapter:sub/out/new"),
        ("variant", "x=lora:y", "x=lora:y"),
        ("baseline", "saved.json", "sub/saved.json"),
        ("baseline", "reports/run:new", "sub/reports/run:new"),
        ("baseline", "latest:new", "latest:new"),
        ("baseline", "base", "base"),
        ("model", "Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B-Instruct"),
    ],
)
def test_the_path_in_an_option_is_found_and_names_are_left_alone(
    form: Form, text: str, said: str
) -> None:
    assert TypedPaths(ROOT / "sub", ROOT).option(form, text) == said
    assert TypedPaths(ROOT, ROOT).option(form, text) == text


def test_a_model_is_a_directory_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "sub/mine").mkdir(parents=True)
    (tmp_path / "theirs").mkdir()

    said = TypedPaths(tmp_path / "sub", tmp_path)

    assert said.option("model", "mine") == "sub/mine"
    assert said.option("variant", "new=model:mine") == "new=model:sub/mine"
    assert said.option("model", "theirs") == "sub/theirs"  # which is missing: nobody said ../theirs
    assert TypedPaths(tmp_path / "sub", tmp_path, names=True).option("model", "theirs") == "theirs"


def test_an_adapter_of_a_server_is_a_name_unless_it_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "sub/mine").mkdir(parents=True)

    said = TypedPaths(tmp_path / "sub", tmp_path, names=True)

    assert said.option("adapter", "new=served") == "new=served"
    assert said.option("adapter", "new=mine") == "new=sub/mine"


def test_a_value_keeps_what_stands_around_its_path() -> None:
    value = parse_value("variant", "new=model:out/new")

    assert (value.path, value.with_path("x")) == ("out/new", "new=model:x")
