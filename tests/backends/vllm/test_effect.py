"""Adapters that do nothing: on disk where it can be seen there, else on the engine itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from harness.backends import BackendOptions, open_backend
from harness.common import InputError, Message, Variant
from tests.backends.conftest import Ask
from tests.backends.vllm.conftest import ADAPTERS, BASE, MODEL, REPAIRED

Tensors = dict[str, np.ndarray[Any, Any]]


def changed(folder: Path, edit: Callable[[Tensors], Tensors]) -> Variant:
    """A variant with an edited copy of `repaired`, named after its folder."""
    shutil.copytree(ADAPTERS / "repaired", folder)
    file = folder / "adapter_model.safetensors"
    save_file(edit(load_file(file)), file)
    return Variant(folder.name, MODEL, str(folder))


def renamed(old: str, new: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {name.replace(old, new): value for name, value in tensors.items()}


def test_zero_lora_b_is_refused_before_anything_starts(tmp_path: Path) -> None:
    zero = changed(
        tmp_path / "zero", lambda t: {k: v * (0 if "lora_B" in k else 1) for k, v in t.items()}
    )

    with pytest.raises(InputError) as caught:
        open_backend("vllm", BackendOptions((BASE, zero)))

    assert str(caught.value) == (
        f"{tmp_path}/zero/adapter_model.safetensors: has no effect: every lora_B is zero\n"
        "  hint: train it, or leave it out: it answers as its base does"
    )


def test_names_that_match_nothing_are_refused_before_anything_starts(tmp_path: Path) -> None:
    lost = changed(tmp_path / "lost", renamed(".layers.", ".blocks."))

    with pytest.raises(InputError, match=r"has no effect: none of its \d+ modules is in the base"):
        open_backend("vllm", BackendOptions((BASE, lost)))


def test_an_adapter_that_vllm_cannot_serve_is_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    def magnitudes(tensors: Tensors) -> Tensors:
        return {
            name.replace("lora_B.weight", "lora_magnitude_vector"): np.linalg.norm(value, axis=1)
            for name, value in tensors.items()
            if "lora_B" in name
        }

    dora = changed(tmp_path / "dora", lambda tensors: {**tensors, **magnitudes(tensors)})
    config = tmp_path / "dora/adapter_config.json"
    config.write_text(config.read_text().replace('"use_dora": false', '"use_dora": true'))

    with pytest.raises(InputError) as caught:
        open_backend("vllm", BackendOptions((BASE, dora)))

    assert str(caught.value) == (
        f"{tmp_path}/dora: vLLM cannot serve this adapter: use_dora\n"
        "  hint: use --backend hf, or merge it into its base: --variant NAME=model:DIR"
    )


def test_an_adapter_that_vllm_would_drop_without_a_word_is_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    # Trained as part of a larger model: the layers are there, under a name that vLLM does not know.
    dropped = changed(tmp_path / "dropped", renamed("model.model.", "model.model.language_model."))

    with pytest.raises(InputError) as caught:
        open_backend("vllm", BackendOptions((BASE, dropped)))

    assert "language_model" in str(caught.value)


@pytest.mark.slow
def test_an_adapter_that_changes_nothing_is_found_on_the_engine(tmp_path: Path, ask: Ask) -> None:
    # Its factors are no zeros, so its file says nothing: far too small to move a float32.
    weak = changed(
        tmp_path / "weak", lambda t: {k: v * (1e-20 if "lora_B" in k else 1) for k, v in t.items()}
    )
    variants = (BASE, REPAIRED, weak)
    backend = open_backend("vllm", BackendOptions(variants, cache_dir=tmp_path))
    request = ask(backend.prompt((Message("user", "Hello"),), BASE), BASE)

    with pytest.raises(InputError) as caught:
        list(backend.generate([request]))
    backend.close()

    (problem,) = caught.value.problems
    assert problem.path == f"{tmp_path}/weak"
    assert problem.message == ("has no effect in backend 'vllm': it answers as its base does")
    assert problem.found.startswith(
        "mean |Δ log-probability| 0 per token against the base, the base against itself 0 ("
    )
