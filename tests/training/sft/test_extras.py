"""Trainings with libraries that are not part of the usual installation, where they are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.backends.models import read_tensors
from harness.training import TrainingRow
from harness.training.sft import Event, TrainingNote, train
from tests.training.sft.conftest import Run
from tests.training.sft.made import config_for

pytestmark = pytest.mark.slow


def test_qlora_trains_an_adapter_on_a_base_in_four_bits(
    tiny: Path, rows: tuple[TrainingRow, ...], run: Run, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    events: list[Event] = []
    config = config_for(tiny, tmp_path / "out", qlora=True)
    made = train(config, rows, observer=events.append)
    losses = [loss for _, loss in made.history.steps]
    plain = [loss for _, loss in run.adapter.history.steps]
    tensors = read_tensors(made.path / "adapter_model.safetensors")

    assert TrainingNote("qlora: 14 matrices of the base are in 4 bits") in events
    assert {tensor.dtype for tensor in tensors.values()} == {"F32"}
    assert losses[0] == pytest.approx(plain[0], rel=0.2)  # as good as four bits are
    assert losses[0] != plain[0]
    assert losses[-1] == pytest.approx(plain[-1], rel=0.2)
    assert losses[-1] < losses[0]


def test_qlora_with_gradient_checkpointing_goes_the_same_way(
    tiny: Path, rows: tuple[TrainingRow, ...], tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    short = config_for(tiny, tmp_path / "a", qlora=True, max_steps=3, checkpoint_every=3)
    other = short.model_copy(update={"output": tmp_path / "b", "gradient_checkpointing": True})

    one, two = (train(config, rows).history.steps for config in (short, other))

    assert [loss for _, loss in two] == pytest.approx([loss for _, loss in one], rel=1e-4)


def test_tensorboard_has_every_loss_beside_the_adapter(
    tiny: Path, rows: tuple[TrainingRow, ...], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = config_for(tiny, tmp_path / "out", max_steps=3, report_to=["tensorboard"])
    made = train(config, rows)
    found = EventAccumulator(str(made.path / "runs")).Reload().Scalars("train/loss")

    assert [(row.step, row.value) for row in found] == [
        (step, pytest.approx(loss)) for step, loss in made.history.steps
    ]
