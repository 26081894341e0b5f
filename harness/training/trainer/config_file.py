"""A training as a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.config_file import read_config
from harness.training.trainer.config import TrainConfig


def load_train_config(path: Path, **given: Any) -> TrainConfig:
    """Read and check the file; `given` settings win over those in it.

    Paths are relative to the working directory. Raises `InputError` for all that is wrong.
    """
    return read_config(path, TrainConfig, **given)
