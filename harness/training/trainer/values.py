"""What a training leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.training.trainer.history import History


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
