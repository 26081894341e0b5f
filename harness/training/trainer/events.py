"""What a training tells while it runs; from the worker to its parent as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Started:
    """The first step is about to be taken, in the process `pid`.

    `step` is above 0 where a training goes on that was interrupted.
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
class Note:
    """Something that a person should know; nothing is wrong."""

    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker gives up; its exit code says why, and this the rest."""

    message: str
    found: str = ""
    mend: str = ""


Event = Started | Stepped | Evaluated | Saved | Note | Failed
Observer = Callable[[Event], None]
_KINDS = {
    kind.__name__.lower(): kind for kind in (Started, Stepped, Evaluated, Saved, Note, Failed)
}


def to_line(event: Event) -> str:
    """One event as a line of JSON, with its line break."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)}) + "\n"


def from_line(line: str) -> Event:
    """The event of a line; raises ValueError for a line that is none."""
    try:
        fields: dict[str, Any] = json.loads(line)
        kind: Any = _KINDS[fields.pop("event")]
        event: Event = kind(**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no event: {line[:200]!r}") from error
    return event
