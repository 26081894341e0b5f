"""Tests of packed rows: the model is asked whether they stay apart."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from harness.backends.hf.placement import place
from harness.common import InputError
from harness.training.sft import prepare
from harness.training.sft.job import Footing, TrainingJob
from harness.training.sft.worker.borders import demand_packing
from harness.training.sft.worker.kernels import choose_kernels
from harness.training.sft.worker.run import new_trainer
from tests.training.sft.made import config_for, pets


@pytest.fixture
def packed(tiny: Path, tmp_path: Path) -> Any:
    """A trainer whose rows are packed, and its samples."""
    config = config_for(tiny, tmp_path / "out", packing=True, max_steps=1)
    prepared = prepare(config, pets(40))
    job = TrainingJob(
        config=config,
        base=tiny,
        samples=tmp_path,
        work=tmp_path,
        footing=Footing(8, checkpointing=False),
    )
    placement = place("cpu", "float32")
    kernels = choose_kernels(config, placement, AutoConfig.from_pretrained(tiny))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' own, as in the worker
        trainer = new_trainer(
            job, prepared.samples, prepared.tokenizer, placement, kernels, lambda event: None
        )
    return trainer, prepared.samples


def test_rows_that_stay_apart_may_be_packed(packed: Any) -> None:
    trainer, samples = packed

    demand_packing(trainer, samples.train)

    assert len(trainer.sequences) < len(samples.train)


def test_rows_that_see_each_other_are_refused(packed: Any, tiny: Path) -> None:
    trainer, samples = packed
    collate = trainer.data_collator

    def without_borders(rows: list[dict[str, Any]]) -> Any:
        batch = collate(rows)
        return {name: batch[name] for name in ("input_ids", "labels")}

    trainer.data_collator = without_borders

    with pytest.raises(InputError) as caught:
        demand_packing(trainer, samples.train)

    assert str(caught.value).startswith(
        f"{tiny}: packing: rows in one sequence see each other with this model and this attention\n"
        "  found: logits change by "
    )
