"""The rows that a configuration names."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import InputError, Problem
from harness.training.rows import RowFile, read_rows
from harness.training.trainer.config import DataFile, TrainConfig
from harness.training.values import Row


def read_data(config: TrainConfig) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Rows to train on and held-out rows; raises `InputError` with all that is wrong in them."""
    if not config.data:
        raise InputError(Problem("data: no file of rows is named", mend="data: [rows.jsonl]"))
    return _rows(config.data, config.seed), _rows(config.held_out, config.seed)


def _rows(files: Sequence[DataFile], seed: int) -> tuple[Row, ...]:
    specs = (RowFile(file.path, file.count, file.system, file.replay) for file in files)
    return tuple(read_rows(specs, seed))
