"""Tests of how much is computed at once, and of what is tried when memory runs out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.common import MachineryError
from harness.training.sft.job import Footing
from harness.training.sft.memory import (
    Load,
    described,
    estimated_footing,
    known_footing,
    remember,
    smaller,
    usual_footing,
)
from tests.training.sft.made import config_for

GB = 1e9
SEVEN_B = Load(  # Qwen2.5-7B in bfloat16, LoRA of rank 16 on its seven projections
    weights=15.23 * GB,
    trained=40_370_176,
    layers=28,
    hidden=3584,
    inner=18944,
    bytes_a_number=2,
    lengths=[500] * 64,
    padded=False,
    fused=True,
    lean=False,
)


def test_rows_are_halved_then_activations_are_not_kept(tmp_path: Path) -> None:
    config = config_for(Path("m"), tmp_path, batch_size=12, device_batch_size=6)
    footing = usual_footing(config)
    tried = [footing]
    while not footing.checkpointing:
        footing = smaller(config, footing, "")
        tried.append(footing)

    assert tried == [Footing(6, False), Footing(3, False), Footing(1, False), Footing(1, True)]


def test_what_was_found_holds_until_the_user_wishes_otherwise(tmp_path: Path) -> None:
    config = config_for(Path("m"), tmp_path, device_batch_size=None)
    assert known_footing(config, tmp_path) is None

    remember(config, tmp_path, Footing(2, True, strict=False))

    assert known_footing(config, tmp_path) == Footing(2, True, strict=False)
    other = config.model_copy(update={"device_batch_size": 1})
    assert known_footing(other, tmp_path) is None


def test_then_there_is_only_advice(tmp_path: Path) -> None:
    config = config_for(Path("m"), tmp_path)

    with pytest.raises(MachineryError) as caught:
        smaller(config, Footing(1, True), "tried to allocate 2 GiB")

    assert str(caught.value) == (
        "m: memory runs out with a single row at once and gradient checkpointing\n"
        "  found: tried to allocate 2 GiB\n"
        "  hint: try qlora: true, shorter rows (max_length with long_rows: drop), a smaller "
        "model, or a larger device"
    )


def test_the_rows_of_a_step_stay_the_same(tmp_path: Path) -> None:
    config = config_for(Path("m"), tmp_path, batch_size=10, device_batch_size=4)

    assert usual_footing(config) == Footing(2, False)


def test_the_estimate_is_what_was_measured() -> None:
    """59.3, 50.8 and 19.0 GB on an H200, with the sixteen longest rows of 300 to 500 tokens."""
    load = replace(SEVEN_B, lengths=[490] * 16)

    assert load.bytes_at(16, checkpointing=False) == pytest.approx(59.3 * GB, rel=0.05)
    lean = replace(load, lean=True)
    assert lean.bytes_at(16, checkpointing=False) == pytest.approx(50.8 * GB, rel=0.05)
    assert lean.bytes_at(16, checkpointing=True) == pytest.approx(19.0 * GB, rel=0.08)


def test_padding_counts() -> None:
    load = replace(SEVEN_B, lengths=[1000, *[100] * 15])

    apart = replace(load, padded=True).bytes_at(16, checkpointing=False)
    assert apart - load.weights > 6 * (load.bytes_at(16, checkpointing=False) - load.weights) / 2


@pytest.mark.parametrize(
    ("free", "wanted"),
    [
        (139, Footing(16, False)),
        (60, Footing(8, False)),
        (40, Footing(16, True)),  # four rows would let the GPU wait for the host
        (20, Footing(4, True)),
        (10, Footing(1, True)),  # nothing fits: the least is tried all the same
    ],
)
def test_as_many_rows_as_fit(free: float, wanted: Footing, tmp_path: Path) -> None:
    config = config_for(Path("m"), tmp_path, batch_size=16, device_batch_size=None)

    assert estimated_footing(config, SEVEN_B, free * GB)[0] == wanted


def test_what_the_user_says_holds(tmp_path: Path) -> None:
    def chosen(**settings: int | bool | None) -> Footing:
        config = config_for(Path("m"), tmp_path, batch_size=16, **settings)
        return estimated_footing(config, SEVEN_B, 139 * GB)[0]

    assert chosen(device_batch_size=6) == Footing(4, False)
    assert chosen(device_batch_size=None, gradient_checkpointing=True) == Footing(16, True)


def test_the_choice_is_said(tmp_path: Path) -> None:
    config = config_for(Path("m"), tmp_path, batch_size=16, device_batch_size=None)

    said = estimated_footing(config, SEVEN_B, 139 * GB)[1]

    assert said == "16 rows at once, 1 times a step: about 61.0 of 139.0 GB"


@pytest.mark.parametrize(
    ("footing", "wanted"),
    [
        (Footing(4, False), "4 rows at once, 2 times a step"),
        (Footing(1, True), "1 row at once, 8 times a step, with gradient checkpointing"),
    ],
)
def test_it_is_said_in_words(footing: Footing, wanted: str, tmp_path: Path) -> None:
    assert described(config_for(Path("m"), tmp_path), footing) == wanted
