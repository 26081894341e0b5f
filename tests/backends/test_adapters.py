"""Adapters checked on disk: the ones that answer as their base does are found before any run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from harness.backends.adapters import open_adapter
from harness.backends.models import ModelDir, open_model
from harness.common import InputError
from tests.backends.tiny import save_adapter, save_model

Tensors = dict[str, np.ndarray[Any, Any]]
PREFIX = "base_model.model.model.layers"


@pytest.fixture
def base(tiny: Path) -> ModelDir:
    return open_model(str(tiny))


@pytest.fixture
def adapter(adapters: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(adapters[0], tmp_path / "adapter"))


def refusal(directory: Path, base: ModelDir) -> str:
    with pytest.raises(InputError) as caught:
        open_adapter(str(directory), base)
    return str(caught.value)


def change(directory: Path, edit: Callable[[Tensors], Tensors]) -> None:
    file = directory / "adapter_model.safetensors"
    save_file(edit(load_file(file)), file)


def configure(directory: Path, **entries: Any) -> None:
    file = directory / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


def test_a_sound_adapter_passes(adapter: Path, base: ModelDir) -> None:
    opened = open_adapter(str(adapter), base)

    assert (opened.rank, opened.unserved, opened.chat_template) == (4, (), None)


def test_names_that_a_loader_renames_are_the_same_modules(adapter: Path, base: ModelDir) -> None:
    base = replace(base, config={**base.config, "vision_config": {}})  # a model of several parts
    change(adapter, lambda t: {k.replace(".model.model.", ".model.language_model.model."): v
                               for k, v in t.items()})  # fmt: skip

    assert open_adapter(str(adapter), base).rank == 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bias": "all"}, ("bias",)),
        ({"modules_to_save": ["lm_head"]}, ("modules_to_save",)),
        ({"init_lora_weights": "pissa"}, ("init_lora_weights pissa",)),
        ({"init_lora_weights": "gaussian"}, ()),
        ({"trainable_token_indices": [1]}, ("trainable_token_indices",)),
        ({"alora_invocation_tokens": [1, 2]}, ("alora_invocation_tokens",)),
        ({"layer_replication": [[0, 2]]}, ("layer_replication",)),
    ],
)
def test_what_vllm_refuses_is_listed(
    changes: dict[str, Any], expected: tuple[str, ...], adapter: Path, base: ModelDir
) -> None:
    configure(adapter, **changes)

    assert open_adapter(str(adapter), base).unserved == expected


def test_a_missing_directory(base: ModelDir, tmp_path: Path) -> None:
    assert refusal(tmp_path / "none", base) == (
        f"{tmp_path}/none: there is no such adapter directory\n"
        "  hint: give the directory with adapter_config.json and adapter_model.safetensors"
    )


def test_a_directory_without_configuration(base: ModelDir, tmp_path: Path) -> None:
    assert refusal(tmp_path, base) == (
        f"{tmp_path}: is no adapter: adapter_config.json is missing\n"
        "  hint: give the directory that peft's save_pretrained wrote"
    )


def test_another_method_than_lora(adapter: Path, base: ModelDir) -> None:
    configure(adapter, peft_type="IA3")

    assert refusal(adapter, base) == (
        f"{adapter}/adapter_config.json: is no LoRA adapter\n"
        "  found: peft_type 'IA3'\n"
        "  expected: peft_type 'LORA'\n"
        "  hint: merge it into its base: --variant NAME=model:DIR"
    )


def test_pickled_weights(adapter: Path, base: ModelDir) -> None:
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")

    assert refusal(adapter, base) == (
        f"{adapter}: holds pickled weights, and unpickling a file can run any code in it\n"
        "  found: adapter_model.bin\n"
        "  expected: safetensors files\n"
        "  hint: load it where you trust it and save it with save_pretrained (safetensors)"
    )


def test_no_weights_at_all(adapter: Path, base: ModelDir) -> None:
    (adapter / "adapter_model.safetensors").unlink()

    assert refusal(adapter, base) == (
        f"{adapter}: has no weights: adapter_model.safetensors is missing\n  hint: copy it there"
    )


def test_an_adapter_of_another_base(base: ModelDir, tmp_path: Path) -> None:
    wide = save_model(tmp_path / "wide", hidden_size=48)
    adapter = save_adapter(tmp_path / "adapter", wide, seed=1)

    assert refusal(adapter, base) == (
        f"{adapter}: was trained for another base than {base.name}\n"
        "  found: model.layers.0.mlp.down_proj of 48 x 64\n"
        "  expected: 32 x 64\n"
        f"  hint: use the base that it was trained on: {wide}"
    )


def test_an_adapter_of_a_deeper_base(base: ModelDir, tmp_path: Path) -> None:
    deep = save_model(tmp_path / "deep", num_hidden_layers=3)
    adapter = save_adapter(tmp_path / "adapter", deep, seed=1)

    assert refusal(adapter, base) == (
        f"{adapter}: has only part of its effect: 8 of its 12 modules are in the base "
        f"{base.name}\n"
        "  found: model.layers.2.mlp.down_proj\n"
        "  expected: a module such as model.layers.0.self_attn.q_proj\n"
        f"  hint: use the base that it was trained on: {deep}"
    )


def test_tensors_that_match_no_module(adapter: Path, base: ModelDir) -> None:
    change(adapter, lambda t: {k.replace("layers", "blocks"): v for k, v in t.items()})
    configure(adapter, base_model_name_or_path=None)

    assert refusal(adapter, base) == (
        f"{adapter}: has no effect: none of its 8 modules is in the base {base.name}\n"
        "  found: model.blocks.0.mlp.down_proj\n"
        "  expected: a module such as model.layers.0.self_attn.q_proj\n"
        "  hint: use the base that it was trained on: a base that is not named"
    )


def test_experts_are_adapted_by_the_name_of_them_all(adapter: Path, base: ModelDir) -> None:
    change(adapter, lambda t: {k.replace(".mlp.down_proj.", ".mlp."): v for k, v in t.items()})
    configure(adapter, target_parameters=["mlp.down_proj"])

    assert open_adapter(str(adapter), base).rank == 4


def test_zero_lora_b_has_no_effect(adapter: Path, base: ModelDir) -> None:
    change(adapter, lambda t: {k: v * (0 if "lora_B" in k else 1) for k, v in t.items()})

    assert refusal(adapter, base) == (
        f"{adapter}/adapter_model.safetensors: has no effect: every lora_B is zero\n"
        "  hint: train it, or leave it out: it answers as its base does"
    )


def test_one_lora_b_that_is_not_zero_is_enough(adapter: Path, base: ModelDir) -> None:
    kept = f"{PREFIX}.1.mlp.down_proj.lora_B.weight"
    change(adapter, lambda t: {k: v * (0 if "lora_B" in k and k != kept else 1)
                               for k, v in t.items()})  # fmt: skip

    assert open_adapter(str(adapter), base).rank == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite(bad: float, adapter: Path, base: ModelDir) -> None:
    name = f"{PREFIX}.0.mlp.down_proj.lora_A.weight"
    change(adapter, lambda t: {**t, name: np.full_like(t[name], bad)})

    assert refusal(adapter, base) == (
        f"{adapter}/adapter_model.safetensors: holds numbers that are not finite\n"
        f"  found: {name}\n"
        "  hint: train it again: the training diverged"
    )


def test_half_precision_is_read_too(adapter: Path, base: ModelDir) -> None:
    change(adapter, lambda t: {k: (v * 0).astype(np.float16) for k, v in t.items()})

    assert "every lora_B is zero" in refusal(adapter, base)


def test_a_factor_that_is_missing(adapter: Path, base: ModelDir) -> None:
    name = f"{PREFIX}.0.mlp.down_proj.lora_B.weight"
    change(adapter, lambda t: {k: v for k, v in t.items() if k != name})

    assert refusal(adapter, base) == (
        f"{adapter}/adapter_model.safetensors: lora_B of model.layers.0.mlp.down_proj is missing"
    )


def test_a_configuration_of_another_rank(adapter: Path, base: ModelDir) -> None:
    configure(adapter, r=8)

    assert refusal(adapter, base) == (
        f"{adapter}: rank and tensors do not fit together\n"
        "  found: model.layers.0.mlp.down_proj: lora_A (4, 64), lora_B (32, 4)\n"
        "  expected: rank 8, as adapter_config.json says\n"
        "  hint: use the adapter_config.json that was saved with these weights"
    )


def test_no_lora_at_all(adapter: Path, base: ModelDir) -> None:
    change(adapter, lambda t: {"x": np.zeros(3, np.float32)})

    assert refusal(adapter, base) == (
        f"{adapter}/adapter_model.safetensors: has no effect: there is no lora_A or lora_B in it"
    )


@pytest.mark.parametrize("names", [["nope_proj"], r"model\.decoder\..*"], ids=["names", "pattern"])
def test_target_modules_that_match_nothing(names: Any, adapter: Path, base: ModelDir) -> None:
    configure(adapter, target_modules=names)
    shown = names if isinstance(names, str) else names[0]

    assert refusal(adapter, base) == (
        f"{adapter}/adapter_config.json: target_modules wrap none of the 8 modules that it has "
        "weights for\n"
        f"  found: {shown}; not wrapped: model.layers.0.mlp.down_proj\n"
        "  expected: down_proj, gate_proj, q_proj, v_proj\n"
        "  hint: use the adapter_config.json that was saved with these weights"
    )


def test_target_modules_that_match_a_part(adapter: Path, base: ModelDir) -> None:
    configure(adapter, target_modules=["q_proj", "v_proj", "gate_proj", "dwn_proj"])

    assert refusal(adapter, base) == (
        f"{adapter}/adapter_config.json: target_modules wrap 6 of the 8 modules that it has "
        "weights for\n"
        "  found: dwn_proj, gate_proj, q_proj, v_proj; not wrapped: model.layers.0.mlp.down_proj\n"
        "  expected: down_proj, gate_proj, q_proj, v_proj\n"
        "  hint: use the adapter_config.json that was saved with these weights"
    )


def test_tensors_that_nothing_would_use(adapter: Path, base: ModelDir) -> None:
    change(adapter, lambda t: {**t, "base_model.model.score.weight": np.zeros(3, np.float32),
                               "optimizer.step": np.zeros(1, np.float32)})  # fmt: skip

    assert refusal(adapter, base) == (
        f"{adapter}/adapter_model.safetensors: 2 of its 18 tensors belong to no module of "
        f"{base.name}\n"
        "  found: base_model.model.score.weight\n"
        "  expected: names such as base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight\n"
        "  hint: save it with peft's save_pretrained"
    )


def test_saved_embeddings_are_served_by_hf_alone(adapter: Path, base: ModelDir) -> None:
    name = "base_model.model.model.embed_tokens.base_layer.weight"
    change(adapter, lambda t: {**t, name: np.zeros((400, 32), np.float32)})

    assert open_adapter(str(adapter), base).unserved == ("saved embeddings",)
