"""Tests of adapters merged into their bases."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.backends.models import open_model
from harness.cli import main
from harness.common import InputError
from harness.training.merging import PROMPTS, merge


def test_a_merged_model_answers_as_the_adapter_on_its_base(
    small: Path, small_adapter: Path, tmp_path: Path
) -> None:
    merged = merge(str(small_adapter), tmp_path / "merged", model=str(small))

    assert merged.prompts == len(PROMPTS)
    assert merged.same == merged.prompts
    assert 0 < merged.delta < 1e-3 * merged.scale


def test_a_merged_model_is_whole(small: Path, small_adapter: Path, tmp_path: Path) -> None:
    merge(str(small_adapter), tmp_path / "merged", model=str(small))

    opened = open_model(str(tmp_path / "merged"))
    assert set(opened.tensors) == set(open_model(str(small)).tensors)
    names = {path.name for path in opened.path.iterdir()}
    assert {"tokenizer.json", "chat_template.jinja", "merged.json"} <= names
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_the_generation_settings_are_the_bases_own(small_adapter: Path, tmp_path: Path) -> None:
    base = Path(json.loads((small_adapter / "adapter_config.json").read_text())
                ["base_model_name_or_path"])  # fmt: skip
    copy = tmp_path / "base"
    shutil.copytree(base, copy)
    (copy / "generation_config.json").write_text('{"eos_token_id": [2], "do_sample": false}')

    merge(str(small_adapter), tmp_path / "merged", model=str(copy))

    assert (tmp_path / "merged" / "generation_config.json").read_text() == (
        '{"eos_token_id": [2], "do_sample": false}'
    )


def test_the_base_is_the_one_that_the_adapter_names(small_adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"

    assert main(["merge", str(small_adapter), "--out", str(out)]) == 0
    assert (out / "config.json").is_file()


def test_a_quantised_base_is_refused(small: Path, small_adapter: Path, tmp_path: Path) -> None:
    copy = tmp_path / "four-bit"
    shutil.copytree(small, copy)
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "bitsandbytes"}
    (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")

    with pytest.raises(InputError) as caught:
        merge(str(small_adapter), tmp_path / "merged", model=str(copy))

    assert str(caught.value) == (
        f"{copy}: the base is quantised: merged into its few bits, an adapter is lost to rounding\n"
        "  found: bitsandbytes\n"
        "  hint: merge into the model that it was made from (--model), then quantise the merged one"
    )


def test_a_directory_that_is_there_is_left_alone(
    small: Path, small_adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        merge(str(small_adapter), tmp_path, model=str(small))

    assert str(caught.value) == f"{tmp_path}: is there already\n  hint: give a new directory"


def test_an_adapter_that_names_no_base(small_adapter: Path, tmp_path: Path) -> None:
    copy = tmp_path / "adapter"
    shutil.copytree(small_adapter, copy)
    config = json.loads((copy / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = None
    (copy / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")

    with pytest.raises(InputError) as caught:
        merge(str(copy), tmp_path / "merged")

    assert str(caught.value) == (
        f"{copy}: does not say which base it belongs to\n  hint: give --model BASE"
    )


def test_a_base_that_is_named_and_not_there_is_to_be_given(
    small_adapter: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "adapter"
    shutil.copytree(small_adapter, copy)
    config = json.loads((copy / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "models/gone"
    (copy / "adapter_config.json").write_text(json.dumps(config))

    with pytest.raises(InputError) as caught:
        merge(str(copy), tmp_path / "merged")
    assert str(caught.value) == (
        f"{copy}: the base that it names cannot be used\n"
        "  found: model 'models/gone' is neither a directory nor in the local cache of Hugging Face"
        "\n  hint: give --model BASE"
    )
