"""What the worker is told: one JSON file, and one file with the samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.common import from_dicts
from harness.training.sft.checkpoints import History
from harness.training.sft.config import TrainConfig
from harness.training.sft.encoding import Sample
from harness.training.values import Pair, Rollout, TrainingRow

JOIN = "join"  # argument of the worker that takes part in a training of another host


class Exit(IntEnum):
    """Exit codes of the worker; any other but 0 is a crash."""

    REFUSED = 80
    OUT_OF_MEMORY = 81
    DIVERGED = 82
    DISK_FULL = 83
    NOT_DETERMINISTIC = 85
    APART = 86  # of several hosts, one failed or was lost
    NOBODY = 87  # no training was there to take part in


@dataclass(frozen=True, slots=True)
class Footing:
    """Rows computed at once, and whether activations are computed twice instead of kept.

    `strict`: an operation that has no deterministic kernel on the device is an error. `sharded`:
    each process holds a part of the base.
    """

    device_batch: int
    checkpointing: bool
    strict: bool = True
    sharded: bool = False


class TrainingJob(BaseModel):
    """One attempt. `base` is where the model's files are; `resume` a checkpoint to go on from.

    Without a `footing` the worker chooses one. A `rehearsal` ends before the first step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: TrainConfig
    base: Path
    samples: Path
    work: Path
    footing: Footing | None = None
    resume: Path | None = None
    rehearsal: bool = False


@dataclass(frozen=True, slots=True)
class Samples:
    """All samples of a training with the rows that they come from.

    Of a training on pairs, two samples in a row are a pair, the chosen one first. `advantages` are
    those of the training samples, where these have rewards.
    """

    rows: tuple[TrainingRow, ...]
    train: tuple[Sample, ...]
    held_out: tuple[Sample, ...]
    advantages: tuple[float, ...] = ()


def write_samples(path: Path, samples: Samples) -> None:
    """One line per row and per sample; read back by `read_samples`."""
    with path.open("w", encoding="utf-8") as stream:
        for row in samples.rows:
            fields = {**row.as_json(), "source": row.source}
            stream.write(json.dumps(fields) + "\n")
        for name, part in (("train", samples.train), ("held_out", samples.held_out)):
            for sample in part:
                fields = {key: getattr(sample, key) for key in Sample.__slots__}
                stream.write(json.dumps({"part": name, **fields}) + "\n")
        stream.write(json.dumps({"advantages": samples.advantages}) + "\n")


def read_samples(path: Path) -> Samples:
    """Return what `write_samples` wrote; groups and replay marks of rows are not kept."""
    rows: list[TrainingRow] = []
    parts: dict[str, list[Sample]] = {"train": [], "held_out": []}
    advantages: tuple[float, ...] = ()
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            fields = json.loads(line)
            if "messages" in fields:
                messages = from_dicts(fields["messages"])
                tools = tuple(fields.get("tools", ()))
                rows.append(TrainingRow(messages, fields["source"], tools=tools))
            elif "advantages" in fields:
                advantages = tuple(fields["advantages"])
            else:
                ids, labels = tuple(fields["ids"]), tuple(fields["labels"])
                starts, turns = tuple(fields["starts"]), tuple(fields["turns"])
                parts[fields["part"]].append(Sample(ids, labels, fields["row"], starts, turns))
    return Samples(tuple(rows), tuple(parts["train"]), tuple(parts["held_out"]), advantages)


def divisor_at_most(batch: int, most: int) -> int:
    """Return the largest number that divides `batch` and is no larger than `most` (at least 1)."""
    return next(size for size in range(min(batch, max(most, 1)), 0, -1) if batch % size == 0)


def sources(rows: Sequence[TrainingRow | Pair | Rollout]) -> dict[str, int]:
    """Return how many rows came from each file, or from each source that names no line."""
    counts: dict[str, int] = {}
    for row in rows:
        name, _, line = row.source.rpartition(":")
        key = name if name and line.isdigit() else row.source
        counts[key] = counts.get(key, 0) + 1
    return counts


@dataclass(frozen=True, slots=True)
class Started:
    """The first step is about to be taken, in the process `pid`.

    `step` is above 0 where a training goes on that was interrupted. Each of `processes` computes
    `device_batch` rows at once, `accumulation` times a step; where they are `sharded`, each holds
    a part of the base.
    """

    pid: int
    device: str
    dtype: str
    samples: int
    held_out: int
    proven: int
    step: int
    steps: int
    device_batch: int
    accumulation: int
    checkpointing: bool
    trained_parameters: int
    processes: int = 1
    sharded: bool = False


@dataclass(frozen=True, slots=True)
class Stepped:
    """One optimiser step; `tokens` were seen in it, answers and prompts, in `seconds`."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    grad_norm: float
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The loss on the held-out rows after a step; `best`: none was lower before."""

    step: int
    loss: float
    best: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """A complete checkpoint, a loadable adapter, is on the disk."""

    step: int
    path: str


@dataclass(frozen=True, slots=True)
class TrainingNote:
    """Something that a person should know; nothing is wrong."""

    text: str


@dataclass(frozen=True, slots=True)
class TrainingFailed:
    """A worker gives up; its exit code `code` says why, and this the rest."""

    message: str
    found: str = ""
    hint: str = ""
    code: int = 1


Event = Started | Stepped | Evaluated | Saved | TrainingNote | TrainingFailed
Observer = Callable[[Event], None]
_KINDS = {
    kind.__name__.lower(): kind
    for kind in (Started, Stepped, Evaluated, Saved, TrainingNote, TrainingFailed)
}


def to_line(event: Event) -> str:
    """Return one event as a line of JSON, with its line break."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)}) + "\n"


def from_line(line: str) -> Event:
    """Return the event of a line; raise ValueError for a line that is none."""
    try:
        fields: dict[str, Any] = json.loads(line)
        kind: Any = _KINDS[fields.pop("event")]
        event: Event = kind(**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no event: {line[:200]!r}") from error
    return event


@dataclass(frozen=True, slots=True)
class TrainedAdapter:
    """A finished adapter: `path` is loaded by peft, transformers and vLLM as it is.

    `step` is the step whose weights it has, out of `steps`; `checkpoints` are adapters of earlier
    steps, by step. `manifest` is what `manifest.json` holds.
    """

    path: Path
    step: int
    steps: int
    history: History
    checkpoints: tuple[Path, ...]
    manifest: Mapping[str, Any]
