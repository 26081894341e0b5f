"""Rows and settings for trainings that take seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.common import Message
from harness.training import TrainingRow
from harness.training.sft import LoraSettings, TrainConfig

ANIMALS = ("cat", "dog", "fox", "hen", "owl")


def pets(count: int, length: int = 1) -> tuple[TrainingRow, ...]:
    """Rows that teach one animal for each number; `length` repeats the question's text."""
    rows = []
    for number in range(count):
        animal = ANIMALS[number % len(ANIMALS)]
        messages = (
            Message("user", f"Animal {number}? " * length),
            Message("assistant", f"It is the {animal}."),
        )
        rows.append(TrainingRow(messages, f"pets.jsonl:{number + 1}", replay=number % 4 == 0))
    return tuple(rows)


def config_for(model: Path, output: Path, **changes: Any) -> TrainConfig:
    """Ten steps on one thread, with a checkpoint every four; dropout uses the random numbers."""
    settings: dict[str, Any] = {
        "model": str(model),
        "output": output,
        "lora": LoraSettings(rank=4, dropout=0.1),
        "learning_rate": 1e-2,
        "batch_size": 8,
        "device_batch_size": 8,
        "max_steps": 10,
        "checkpoint_every": 4,
        "keep_checkpoints": 2,
        "keep": "last",
        "threads": 1,
        "device": "cpu",
        **changes,
    }
    return TrainConfig.model_validate(settings)


def write_rows(path: Path, rows: tuple[TrainingRow, ...]) -> Path:
    """A JSONL file of rows."""
    lines = [
        json.dumps({"messages": [{"role": m.role, "content": m.content} for m in row.messages]})
        for row in rows
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
