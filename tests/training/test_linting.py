"""Tests of `lint-adapter` on adapters with one thing wrong each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.training.linting import lint_adapter

Change = Callable[..., Path]


@pytest.fixture
def changed(small_adapter: Path, tmp_path: Path) -> Change:
    """Copies the adapter, with other entries in its configuration."""

    def copy(**entries: Any) -> Path:
        folder = tmp_path / "adapter"
        shutil.copytree(small_adapter, folder)
        file = folder / "adapter_config.json"
        config = json.loads(file.read_text(encoding="utf-8")) | entries
        file.write_text(json.dumps(config), encoding="utf-8")
        return folder

    return copy


def said(folder: Path, model: Path | None = None) -> str:
    lines = lint_adapter(str(folder), str(model) if model else None).lines()
    return "\n".join(lines).replace(str(folder), "DIR")


def test_an_adapter_that_is_well(
    small: Path, small_adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint-adapter", str(small_adapter)]) == 0

    assert capsys.readouterr().out.replace(str(small_adapter), "DIR").replace(
        str(small), "BASE"
    ) == ("DIR: rank 4, alpha 8\nDIR: fits BASE\nDIR: nothing is wrong with it\n")


def test_pickles(changed: Change) -> None:
    folder = changed()
    (folder / "training_args.bin").write_bytes(b"")
    (folder / "optimizer.pt").write_bytes(b"")

    assert said(folder).startswith(
        "warning: DIR: holds pickles, which can run any code when they are loaded\n"
        "  found: optimizer.pt, training_args.bin\n"
        "  hint: remove them: an adapter needs adapter_model.safetensors and adapter_config.json\n"
    )


def test_what_vllm_refuses(changed: Change) -> None:
    assert said(changed(init_lora_weights="pissa")).startswith(
        "warning: DIR: vLLM refuses it\n"
        "  found: init_lora_weights pissa\n"
        "  hint: merge it into its base: harness merge\n"
    )


def test_a_rank_that_vllm_must_be_told(small: Path, tmp_path: Path) -> None:
    from tests.backends.tiny import save_adapter

    folder = save_adapter(tmp_path / "wide", small, seed=1, r=20)

    assert said(folder).startswith(
        "warning: DIR: vLLM refuses its rank unless it is told\n"
        "  found: rank 20\n"
        "  hint: vllm serve ... --max-lora-rank 32\n"
    )


def test_names_that_match_nothing(changed: Change) -> None:
    folder = changed()
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["target_modules"] = [*config["target_modules"], "qkv_proj"]
    file.write_text(json.dumps(config), encoding="utf-8")

    assert said(folder).startswith(
        "warning: DIR/adapter_config.json: target_modules names 'qkv_proj', and it holds no tensor "
        "of such a module\n"
        "  hint: it changes nothing; look whether the name is spelt as in the base\n"
    )


def test_a_base_that_is_not_here(changed: Change) -> None:
    assert said(changed(base_model_name_or_path="/nowhere/model")).startswith(
        "warning: DIR: could not be compared with its base, which is not here\n"
        "  found: /nowhere/model: there is no such model\n"
        "  hint: give --model BASE\n"
    )


def test_a_base_that_is_not_named(changed: Change) -> None:
    assert said(changed(base_model_name_or_path=None)).startswith(
        "warning: DIR: does not say which base it belongs to\n  hint: give --model BASE\n"
    )


def test_another_base(small_adapter: Path, tmp_path: Path) -> None:
    from tests.backends.tiny import save_model

    other = save_model(tmp_path / "other", hidden_size=64)

    report = lint_adapter(str(small_adapter), str(other))

    assert len(report.errors) == 1
    assert report.errors[0].message == f"was trained for another base than {other}"
    assert main(["lint-adapter", str(small_adapter), "--model", str(other)]) == 2


def test_another_chat_template(changed: Change, small: Path) -> None:
    folder = changed()
    (folder / "chat_template.jinja").write_text("[INST] {{ messages[0].content }} [/INST]")

    assert said(folder, small).startswith(
        "warning: DIR/chat_template.jinja: its chat template is not the base's: served with the "
        "base's own, it sees other prompts than in training\n"
        "  hint: serve it with this template (vllm serve --chat-template), or train it again\n"
    )


def test_an_adapter_without_effect(small: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    from tests.backends.tiny import save_adapter

    folder = save_adapter(tmp_path / "zero", small, seed=1)
    file = folder / "adapter_model.safetensors"
    tensors = {
        name: tensor * 0 if "lora_B" in name else tensor for name, tensor in load_file(file).items()
    }
    save_file(tensors, file)

    assert said(folder).startswith(
        "error: DIR/adapter_model.safetensors: has no effect: every lora_B is zero\n"
    )


def test_no_adapter_at_all(tmp_path: Path) -> None:
    assert said(tmp_path / "none").startswith("error: DIR: there is no such adapter directory\n")
