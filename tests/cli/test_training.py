"""Tests of `harness train`: what it says before and instead of a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from tests.backends.tiny import save_adapter, save_model
from tests.training.sft.made import pets, write_rows


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
    file = config(tmp_path, model, "template: llama3\n")

    assert main(["train", file]) == 2
    assert capsys.readouterr().err.startswith(f"{file}:4:11: template 'llama3': a model is trained")


def test_a_file_without_data_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("model: m\noutput: out\n", encoding="utf-8")

    assert main(["train", str(file)]) == 2
    assert capsys.readouterr().err == (
        "data: no file of rows is named\n  hint: data: [rows.jsonl]\n"
    )


BOTH = pytest.mark.parametrize("words", [[], ["--dry-run"]], ids=["train", "dry-run"])


@BOTH
def test_a_device_that_is_not_there_is_refused_at_once(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")

    file = config(tmp_path, model, "device: cuda\n")

    assert main(["train", file, *words]) == 2
    assert capsys.readouterr().err == (
        f"{file}:4:9: device 'cuda': torch {torch.__version__} sees no GPU\n"
        "  hint: say device: auto or device: cpu\n"
    )


@BOTH
def test_an_output_that_holds_something_else_is_refused_at_once(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("")

    assert main(["train", config(tmp_path, model), *words]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}/out: is not empty, and holds no training\n  hint: train into a new directory\n"
    )


@BOTH
def test_an_output_that_cannot_be_written_is_refused_at_once(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    file = config(tmp_path, model)

    assert main(["train", file, "--output", f"{tmp_path}/rows.jsonl/out", *words]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}/rows.jsonl/out: nothing can be written here\n"
        f"  found: {tmp_path}/rows.jsonl: not a directory\n"
        "  hint: name another directory as output\n"
    )


def test_merging_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", f"{tmp_path}/none", "--out", f"{tmp_path}/merged"]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}/none: there is no such adapter directory\n"
        "  hint: give the directory with adapter_config.json and adapter_model.safetensors\n"
    )


def test_merging_on_a_device_that_is_not_known(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = save_adapter(tmp_path / "adapter", model, seed=1)
    words = ["merge", str(adapter), "--model", str(model), "--out", f"{tmp_path}/merged"]
    capsys.readouterr()

    assert main([*words, "--device", "gpu"]) == 2
    assert capsys.readouterr().err == (
        "device 'gpu' is not known\n"
        "  expected: auto, cpu, cuda, cuda:N or mps\n"
        "  did you mean: cuda\n"
    )


@pytest.mark.parametrize("command", ["train", "merge", "lint-adapter", "fix", "rollback"])
def test_the_help_has_what_it_does_examples_and_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    said = capsys.readouterr().out

    assert caught.value.code == 0
    assert f"examples:\n  harness {command} " in said
    assert "Exit code 0: " in said
    assert "exit codes:\n" in said


def test_taking_back_asks_no_engine(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["rollback", "--help"])

    assert "--device" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["train.yml"],
            "train.yml: cannot read it: No such file or directory\n  did you mean: train.yaml\n"
            "  hint: YAML files there: other.yaml, train.yaml\n",
        ),
        (
            ["nope.yaml"],
            "nope.yaml: cannot read it: No such file or directory\n"
            "  hint: YAML files there: other.yaml, train.yaml\n",
        ),
        (
            ["train.yaml"],
            "train.yaml:3:20: data: no such file or folder: row.jsonl\n"
            "  did you mean: rows.jsonl\n"
            "train.yaml:5:10: suites: no such file or folder: x.yaml\n2 problems\n",
        ),
        (
            ["other.yaml"],
            "other.yaml:4:9: method: grpo learns from a suite's checks as rewards, and files of "
            "rows have none\n"
            "  hint: harness fix --method grpo learns from a failing suite (docs/repair.md)\n",
        ),
        (
            ["train.yaml", "--init", "pissa"],
            "unknown option '--init'\n  hint: say it in the file: lora: {init: ...}\n",
        ),
        (
            ["train.yaml", "--lora-rank=8"],
            "unknown option '--lora-rank=8'\n  hint: say it in the file: lora: {rank: ...}\n",
        ),
        (
            ["train.yaml", "--batch-size=8"],
            "unknown option '--batch-size=8'\n  hint: say it in the file: batch_size: ...\n",
        ),
        (
            ["train.yaml", "--zzz"],
            "unknown option '--zzz'\n  hint: see harness train --help\n",
        ),
    ],
)
def test_what_is_not_there_is_told_with_its_place(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(Path("rows.jsonl"), pets(2))
    start = "model: m\noutput: out\n"
    Path("train.yaml").write_text(
        f"{start}data: [rows.jsonl, row.jsonl]\nselect: suites\nsuites: [x.yaml]\n"
    )
    Path("other.yaml").write_text(f"{start}data: rows.jsonl\nmethod: grpo\n")

    assert main(["train", *words]) == 2
    assert capsys.readouterr().err == said


def test_a_part_that_another_method_learns_by_is_noted(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["train", config(tmp_path, model, "dpo: {beta: 0.2}\n"), "--dry-run"]) == 0
    assert "  note: dpo: is not used: the method is sft\n" in capsys.readouterr().out
