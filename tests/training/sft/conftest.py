"""A tiny model, rows for it, and one whole training, made once for all tests of the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.training import TrainingRow
from harness.training.sft import Event, TrainConfig, TrainedAdapter, train
from tests.backends.tiny import save_model
from tests.training.sft.made import config_for, pets


@dataclass(frozen=True)
class Run:
    """A finished training and all that was told of it."""

    config: TrainConfig
    adapter: TrainedAdapter
    events: tuple[Event, ...]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 with a tokenizer; never written to."""
    return save_model(tmp_path_factory.mktemp("trainer") / "model", initializer_range=0.05)


@pytest.fixture(scope="session")
def rows() -> tuple[TrainingRow, ...]:
    """Forty short conversations."""
    return pets(40)


@pytest.fixture(scope="session")
def run(tiny: Path, rows: tuple[TrainingRow, ...], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training that nothing got in the way of; its directory is never written to."""
    config = config_for(tiny, tmp_path_factory.mktemp("trained") / "out")
    events: list[Event] = []
    adapter = train(config, rows, notes={"guard": {"hits": 0}}, observer=events.append)
    return Run(config, adapter, tuple(events))
