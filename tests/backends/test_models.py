"""Model directories: what is read without weights, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.backends.models import open_model
from harness.common import InputError


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def refusal(name: str | Path) -> str:
    with pytest.raises(InputError) as caught:
        open_model(str(name))
    return str(caught.value)


def test_a_model_is_described_by_its_files(tiny: Path) -> None:
    model = open_model(str(tiny))

    assert model.context_length == 512
    assert model.eos_token_ids == (2,)
    assert model.quantisation == ""
    assert model.weights == (tiny / "model.safetensors",)
    assert model.tensors["model.layers.0.self_attn.q_proj.weight"].shape == (32, 32)


def test_what_a_configuration_may_say(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "m")
    write_json(
        tmp_path / "m" / "config.json",
        {
            "eos_token_id": [7, 5],
            "text_config": {"max_position_embeddings": 4096, "eos_token_id": 6},
            "quantization_config": {"quant_method": "awq", "bits": 4},
        },
    )
    write_json(tmp_path / "m" / "generation_config.json", {"eos_token_id": [5, 9]})

    model = open_model(str(tmp_path / "m"))

    assert (model.context_length, model.quantisation) == (4096, "awq")
    assert model.eos_token_ids == (5, 6, 7, 9)


def test_a_directory_that_is_no_model(tmp_path: Path) -> None:
    for name in "abcdef":
        (tmp_path / name).touch()

    assert refusal(tmp_path) == (
        f"{tmp_path}: is no model: config.json is missing\n"
        "  found: a, b, c, d, e, ...\n"
        "  hint: give the directory that save_pretrained wrote"
    )


def test_an_adapter_given_as_the_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")

    assert refusal(tmp_path) == (
        f"{tmp_path}: is an adapter, not a model\n"
        "  expected: a directory with config.json and *.safetensors\n"
        f"  hint: give the base as --model and this as --adapter NAME={tmp_path}"
    )


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no" / "model") == (
        f"{tmp_path}/no/model: there is no such model\n"
        "  hint: give the directory with config.json and *.safetensors"
    )


def test_a_file_given_as_the_model(tiny: Path) -> None:
    file = tiny / "config.json"

    assert refusal(file) == (
        f"{file}: is a file, not a model's directory\n"
        "  hint: give the directory with config.json and *.safetensors"
    )


def test_a_hub_name_is_never_downloaded() -> None:
    assert refusal("nobody/has-this-model") == (
        "model 'nobody/has-this-model' is neither a directory nor in the local cache of "
        "Hugging Face\n"
        "  hint: download it first: hf download nobody/has-this-model "
        "(the harness never downloads)"
    )


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {})
    (tmp_path / "pytorch_model.bin").touch()
    (tmp_path / "training_args.bin").touch()

    assert refusal(tmp_path) == (
        f"{tmp_path}: holds pickled weights, and unpickling a file can run any code in it\n"
        "  found: pytorch_model.bin\n"
        "  expected: safetensors files\n"
        "  hint: load it where you trust it and save it with save_pretrained (safetensors)"
    )


def test_a_model_without_weights(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {})

    assert refusal(tmp_path) == (
        f"{tmp_path}: has no weights: there is no *.safetensors file\n"
        "  found: config.json\n"
        "  hint: copy the model's weights into this directory"
    )


def test_shards_that_are_missing(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {})
    index = tmp_path / "model.safetensors.index.json"
    write_json(index, {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})
    (tmp_path / "1.safetensors").touch()

    assert refusal(tmp_path) == (
        f"{index}: names 1 of 2 weight files that are not there\n"
        "  found: missing: '2.safetensors'\n"
        "  hint: copy the missing files: the download was cut off"
    )


def test_a_broken_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{\n  "a": 1,,\n}')

    assert refusal(tmp_path).startswith(f"{tmp_path}/config.json:2:10: not valid JSON: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is a Git LFS pointer, not the weights\n  hint: run `git lfs pull` there",
        ),
        (
            b"\x08\x00\x00\x00\x00\x00\x00\x00{broken}",
            "is no complete safetensors file\n  hint: copy the file again: it is broken",
        ),
        (b"", "is no complete safetensors file\n  hint: copy the file again: it is broken"),
    ],
)
def test_weights_that_are_none(content: bytes, message: str, tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {})
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)

    with pytest.raises(InputError) as caught:
        _ = open_model(str(tmp_path)).tensors

    assert str(caught.value) == f"{file}: {message}"


def test_weights_that_were_cut_off(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "m")
    file = tmp_path / "m" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])

    with pytest.raises(InputError) as caught:
        _ = open_model(str(tmp_path / "m")).tensors

    assert str(caught.value) == (
        f"{file}: is no complete safetensors file\n  hint: copy the file again: it is broken"
    )
