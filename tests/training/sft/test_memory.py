"""Tests of what is tried when memory runs out."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import MachineryError
from harness.training.sft.memory import Footing, described, first_footing, smaller
from tests.training.sft.made import config_for


def test_rows_are_halved_then_activations_are_not_kept(tmp_path: Path) -> None:
    config = config_for(Path("m"), tmp_path, batch_size=12, device_batch_size=6)
    footing = first_footing(config, tmp_path)
    tried = [footing]
    while not footing.checkpointing:
        footing = smaller(config, footing, tmp_path, "")
        tried.append(footing)

    assert tried == [Footing(6, False), Footing(3, False), Footing(1, False), Footing(1, True)]
    assert first_footing(config, tmp_path) == Footing(1, True)


def test_then_there_is_only_advice(tmp_path: Path) -> None:
    config = config_for(Path("m"), tmp_path)

    with pytest.raises(MachineryError) as caught:
        smaller(config, Footing(1, True), tmp_path, "tried to allocate 2 GiB")

    assert str(caught.value) == (
        "m: memory runs out with a single row at once and gradient checkpointing\n"
        "  found: tried to allocate 2 GiB\n"
        "  hint: try qlora: true, shorter rows (max_length with long_rows: drop), a smaller "
        "model, or a larger device"
    )


def test_the_rows_of_a_step_stay_the_same(tmp_path: Path) -> None:
    config = config_for(Path("m"), tmp_path, batch_size=10, device_batch_size=4)

    assert first_footing(config, tmp_path) == Footing(2, False)


@pytest.mark.parametrize(
    ("footing", "wanted"),
    [
        (Footing(4, False), "4 rows at once, 2 times a step"),
        (Footing(1, True), "1 row at once, 8 times a step, with gradient checkpointing"),
    ],
)
def test_it_is_said_in_words(footing: Footing, wanted: str, tmp_path: Path) -> None:
    assert described(config_for(Path("m"), tmp_path), footing) == wanted
