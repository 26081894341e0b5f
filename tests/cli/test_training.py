"""Tests of `harness train`: what it says before and instead of a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from tests.backends.tiny import save_model
from tests.training.trainer.made import pets, write_rows


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model; never written to."""
    return save_model(tmp_path_factory.mktemp("train") / "model")


def config(folder: Path, model: Path, more: str = "") -> str:
    write_rows(folder / "rows.jsonl", pets(40))
    file = folder / "train.yaml"
    file.write_text(
        f"model: {model}\noutput: {folder}/out\ndata: {folder}/rows.jsonl\n{more}", encoding="utf-8"
    )
    return str(file)


def test_a_dry_run_counts_and_trains_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["train", config(tmp_path, model, "batch_size: 8\n"), "--dry-run"]) == 0

    said = capsys.readouterr().out
    assert said.startswith("32 rows, 0 of them replay; 8 held out\n")
    assert "  12 steps of 8 rows\nnothing was trained\n" in said
    assert not (tmp_path / "out").exists()


def test_mistakes_in_the_file_end_in_exit_code_two(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path, model, "epoch: 3\n")

    assert main(["train", file]) == 2
    assert capsys.readouterr().err.startswith(f"{file}:4:1: key 'epoch' is not known here\n")


def test_another_models_template_ends_in_exit_code_two(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", config(tmp_path, model, "template: llama3\n")]) == 2
    assert capsys.readouterr().err.startswith("template 'llama3': a model is trained with its own")


def test_a_file_without_data_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("model: m\noutput: out\n", encoding="utf-8")

    assert main(["train", str(file)]) == 2
    assert capsys.readouterr().err == (
        "data: no file of rows is named\n  mend: data: [rows.jsonl]\n"
    )
