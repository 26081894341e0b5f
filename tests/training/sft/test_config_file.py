"""Tests of a training as a YAML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError, Problem
from harness.training.sft import DataFile, TrainConfig, load_train_config, placed


def load(folder: Path, text: str) -> TrainConfig:
    file = folder / "train.yaml"
    file.write_text(text, encoding="utf-8")
    return load_train_config(file)


def problems(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_file_with_all_that_is_needed(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "model: fixtures/model\noutput: out\n"
        "data:\n  - rows.jsonl#20\n  - {path: replay.jsonl, replay: true}\n"
        "lora: {rank: 32, rslora: true}\nlearning_rate: 1e-3\n",
    )

    assert config.data == (
        DataFile(path=tmp_path / "rows.jsonl", count=20),
        DataFile(path=tmp_path / "replay.jsonl", replay=True),
    )
    assert config.lora.rank == 32
    assert config.lora.scale == 64
    assert config.learning_rate == 1e-3


def test_one_file_of_rows_needs_no_list(tmp_path: Path) -> None:
    config = load(tmp_path, "model: m\noutput: out\ndata: rows.jsonl\n")

    assert config.data == (DataFile(path=tmp_path / "rows.jsonl"),)


def test_paths_are_relative_to_the_file_that_says_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs/base").mkdir(parents=True)
    (tmp_path / "jobs/train.yaml").write_text(
        "model: base\noutput: ../out\ndata: rows.jsonl#20\nheld_out: [/data/held.jsonl]\n"
    )
    monkeypatch.chdir(tmp_path)

    config = load_train_config(Path("jobs/train.yaml"))

    assert (config.model, config.output) == ("jobs/base", Path("out"))
    assert config.data == (DataFile(path=Path("jobs/rows.jsonl"), count=20),)
    assert config.held_out == (DataFile(path=Path("/data/held.jsonl")),)


def test_a_model_that_is_no_folder_beside_the_file_is_a_name(tmp_path: Path) -> None:
    config = load(tmp_path, "model: Qwen/Qwen2.5-7B-Instruct\noutput: out\n")

    assert config.model == "Qwen/Qwen2.5-7B-Instruct"


def test_given_settings_win(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("model: m\noutput: out\n", encoding="utf-8")

    assert load_train_config(file, output="elsewhere").output == Path("elsewhere")


def test_all_that_is_wrong_is_said_at_once_with_its_place(tmp_path: Path) -> None:
    text = "model: m\nlearnig_rate: 0.1\nlora:\n  rank: 0\n  rang: 4\nepochs: many\n"

    said = problems(tmp_path, text)

    assert "train.yaml:1:1: 'output' is missing" in said
    assert "train.yaml:2:1: key 'learnig_rate' is not known here\n" in said
    assert "  did you mean: learning_rate" in said
    assert (
        "train.yaml:4:9: wrong value for 'lora.rank'\n  found: number 0\n  expected: 1 or more"
        in said
    )
    assert "train.yaml:5:3: key 'rang' is not known here\n" in said
    assert "  did you mean: rank\n" in said
    assert (
        "train.yaml:6:9: wrong value for 'epochs'\n  found: text 'many'\n  expected: a number"
        in said
    )


def test_training_without_an_end_is_refused(tmp_path: Path) -> None:
    said = problems(tmp_path, "model: m\noutput: out\nepochs: 1e308\n")

    assert "train.yaml:3:9: wrong value for 'epochs'" in said
    assert "expected: 10000 or less" in said


def test_a_setting_with_two_kinds_of_numbers_is_one_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, "model: m\noutput: out\nwarmup: soon\n").count("warmup") == 1


def test_rows_of_a_file_are_counted_from_one(tmp_path: Path) -> None:
    assert problems(tmp_path, "model: m\noutput: out\ndata: [rows.jsonl#0]\n") == (
        "train.yaml:3:7: data: the count of rows cannot be read: rows.jsonl#0"
    )


def test_keys_of_a_file_of_rows(tmp_path: Path) -> None:
    text = "model: m\noutput: out\ndata:\n  - {path: a.jsonl, cuont: 3}\n"

    assert problems(tmp_path, text) == (
        "train.yaml:4:21: key 'cuont' is not known here\n"
        "  did you mean: count\n"
        "  hint: known keys: count, path, replay, system"
    )


def test_settings_of_a_lora_under_their_names_elsewhere_are_led_home(tmp_path: Path) -> None:
    text = "model: m\noutput: out\nr: 8\nlora_alpha: 16\nlora: {lora_r: 8}\nlr: 0.1\n"

    said = problems(tmp_path, text)
    assert "train.yaml:3:1: key 'r' is not known here\n  hint: it belongs to lora" in said
    assert "`lora: {rank: ...}`" in said and "`lora: {alpha: ...}`" in said
    assert "key 'lora_r' is not known here\n  did you mean: rank\n" in said
    assert "key 'lr' is not known here\n  did you mean: learning_rate\n" in said


def test_an_unknown_tracker(tmp_path: Path) -> None:
    assert problems(tmp_path, "model: m\noutput: out\nreport_to: [tensorbord]\n") == (
        "train.yaml:3:13: wrong value for 'report_to'\n"
        "  found: text 'tensorbord'\n"
        "  expected: mlflow, tensorboard or wandb\n"
        "  did you mean: tensorboard"
    )


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    assert problems(tmp_path, "- model\n") == "train.yaml:1:1: a mapping is wanted"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_train_config(tmp_path / "none.yaml")

    assert str(caught.value) == f"{tmp_path}/none.yaml: cannot read it: No such file or directory"


def test_arguments_of_the_model_that_are_said_elsewhere(tmp_path: Path) -> None:
    text = "model: m\noutput: out\nmodel_args: {use_safetensors: false, dtype: auto}\n"

    assert problems(tmp_path, text) == (
        "train.yaml:3:13: model_args: not to be set here: dtype (say dtype), use_safetensors (no "
        "pickle is ever loaded)"
    )


TEXT = "model: m\noutput: out\nlora:\n  targets: [foo]\nmodel_args: {foo: 1}\nreport_to: [wandb]\n"


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ("lora.targets: the model has no module 'foo'", "train.yaml:4:12: "),
        ("the model does not load with these model_args", "train.yaml:5:13: "),
        ("report_to: wandb is not installed", "train.yaml:6:12: "),
        ("device 'x' is not known", ""),  # given nowhere in the file
        ("there are no rows to train on", ""),
    ],
)
def test_what_the_model_refuses_has_a_place_in_the_file(
    tmp_path: Path, message: str, place: str
) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(TEXT, encoding="utf-8")

    error = placed(file, InputError(Problem(message, hint="do")))

    assert str(error).replace(f"{tmp_path}/", "") == f"{place}{message}\n  hint: do"


def test_placed_problems_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text(TEXT, encoding="utf-8")
    said = placed(file, InputError(Problem("report_to: x"), Problem("lora.targets: y")))

    assert [problem.line for problem in said.problems] == [4, 6]


@pytest.mark.parametrize("text", [None, "a: [", "- a\n"])
def test_a_file_that_changed_meanwhile_hides_nothing(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "train.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    error = InputError(Problem("device 'x' is not known"))

    assert str(placed(file, error)) == "device 'x' is not known"
