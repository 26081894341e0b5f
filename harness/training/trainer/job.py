"""What the worker is told: one JSON file, and one file with the samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.chat import Message, as_dicts
from harness.training.trainer.config import TrainConfig
from harness.training.trainer.encoding import Sample
from harness.training.values import Row


class Exit(IntEnum):
    """Exit codes of the worker; any other but 0 is a crash."""

    REFUSED = 80
    OUT_OF_MEMORY = 81
    DIVERGED = 82
    DISK_FULL = 83
    ORPHANED = 84


class Job(BaseModel):
    """One attempt. `base` is where the model's files are; `resume` a checkpoint to go on from.

    A `rehearsal` ends before the first step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: TrainConfig
    base: Path
    samples: Path
    work: Path
    device_batch: int
    checkpointing: bool
    resume: Path | None = None
    rehearsal: bool = False

    @property
    def accumulation(self) -> int:
        """Batches on the device that make one step."""
        return self.config.batch_size // self.device_batch


@dataclass(frozen=True, slots=True)
class Samples:
    """All samples of a training with the rows that they come from."""

    rows: tuple[Row, ...]
    train: tuple[Sample, ...]
    held_out: tuple[Sample, ...]


def write_samples(path: Path, samples: Samples) -> None:
    """One line per row and per sample; read back by `read_samples`."""
    with path.open("w", encoding="utf-8") as stream:
        for row in samples.rows:
            fields = {"messages": as_dicts(row.messages), "source": row.source}
            stream.write(json.dumps(fields) + "\n")
        for name, part in (("train", samples.train), ("held_out", samples.held_out)):
            for sample in part:
                stream.write(json.dumps({"part": name, **_fields(sample)}) + "\n")


def read_samples(path: Path) -> Samples:
    """What `write_samples` wrote; groups and replay marks of rows are not kept."""
    rows: list[Row] = []
    parts: dict[str, list[Sample]] = {"train": [], "held_out": []}
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            fields = json.loads(line)
            if "messages" in fields:
                messages = tuple(Message(**message) for message in fields["messages"])
                rows.append(Row(messages, fields["source"]))
            else:
                parts[fields.pop("part")].append(_sample(fields))
    return Samples(tuple(rows), tuple(parts["train"]), tuple(parts["held_out"]))


def divisor_at_most(batch: int, most: int) -> int:
    """The largest number that divides `batch` and is no larger than `most` (at least 1)."""
    return next(size for size in range(min(batch, max(most, 1)), 0, -1) if batch % size == 0)


def sources(rows: Sequence[Row]) -> dict[str, int]:
    """How many rows came from each file, or from each source that names no line."""
    counts: dict[str, int] = {}
    for row in rows:
        name, _, line = row.source.rpartition(":")
        key = name if name and line.isdigit() else row.source
        counts[key] = counts.get(key, 0) + 1
    return counts


def _fields(sample: Sample) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in Sample.__slots__}


def _sample(fields: dict[str, Any]) -> Sample:
    ids, labels = tuple(fields["ids"]), tuple(fields["labels"])
    return Sample(ids, labels, fields["row"], tuple(fields["starts"]), tuple(fields["turns"]))
