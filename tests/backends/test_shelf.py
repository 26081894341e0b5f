"""Hashes follow content, not place; files are read once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from harness.backends.adapters import open_adapter
from harness.backends.models import open_model
from harness.backends.shelf import CACHE_NAME, FileHashes, adapter_hash, model_hash


def hash_of(model: Path) -> str:
    return model_hash(open_model(str(model)), FileHashes())


def edit(file: Path, **entries: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


def nudge(weights: Path) -> None:
    """Make the last number of the file 2.0; it was 1.0, as in every new norm."""
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x00\x40")


def test_a_copy_has_the_same_hash(tiny: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    edit(copy / "config.json", transformers_version="9.9", _name_or_path="elsewhere")

    assert hash_of(copy) == hash_of(tiny)
    assert len(hash_of(tiny)) == 32


def test_weights_configuration_and_tokenizer_count(tiny: Path, tmp_path: Path) -> None:
    hashes = {hash_of(tiny)}
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        copy = Path(shutil.copytree(tiny, tmp_path / name))
        if name.endswith(".json"):
            edit(copy / name, rope_theta=5.0)
        else:
            nudge(copy / name)
        hashes.add(hash_of(copy))

    assert len(hashes) == 4


def test_an_adapter_is_the_same_wherever_its_base_lies(
    tiny: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    base = open_model(str(tiny))
    copy = Path(shutil.copytree(adapters[0], tmp_path / "copy"))
    edit(copy / "adapter_config.json", base_model_name_or_path="/elsewhere")
    scaled = Path(shutil.copytree(adapters[0], tmp_path / "scaled"))
    edit(scaled / "adapter_config.json", lora_alpha=99)

    one, same, other, two = (
        adapter_hash(open_adapter(str(path), base), FileHashes())
        for path in (adapters[0], copy, scaled, adapters[1])
    )

    assert one == same
    assert len({one, other, two}) == 3


def test_hashes_are_kept_between_runs(tiny: Path, tmp_path: Path) -> None:
    model = open_model(str(tiny))
    right = model_hash(model, FileHashes(tmp_path))
    file = tmp_path / CACHE_NAME
    known = json.loads(file.read_text())

    file.write_text(json.dumps(dict.fromkeys(known, "0" * 64)))

    assert len(known) == 2  # weights and tokenizer
    assert model_hash(model, FileHashes(tmp_path)) != right  # so the file was not read again


def test_a_file_that_changed_is_read_again(tiny: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    weights = copy / "model.safetensors"
    before = model_hash(open_model(str(copy)), FileHashes(tmp_path))

    nudge(weights)
    os.utime(weights, ns=(1, 1))

    assert model_hash(open_model(str(copy)), FileHashes(tmp_path)) != before


def test_a_broken_cache_costs_time_only(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / CACHE_NAME).write_text("{broken")

    assert model_hash(open_model(str(tiny)), FileHashes(tmp_path)) == hash_of(tiny)
    assert len(json.loads((tmp_path / CACHE_NAME).read_text())) == 2


def test_a_cache_that_cannot_be_written_costs_time_only(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert model_hash(open_model(str(tiny)), FileHashes(tmp_path / "file")) == hash_of(tiny)
