"""What a training went through, out of the log that transformers keeps in each checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.training.trainer.checkpoints import STATE

Loss = tuple[int, float]  # after this step


@dataclass(frozen=True, slots=True)
class History:
    """Losses by step, in order: of the steps themselves, and on the held-out rows."""

    steps: tuple[Loss, ...]
    held_out: tuple[Loss, ...]

    @property
    def best(self) -> int | None:
        """The first step with the lowest held-out loss; None where nothing was held out."""
        return best_of(self.held_out)


def read_history(checkpoint: Path) -> History:
    """The history up to a checkpoint that can be resumed."""
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return history_of(state["log_history"])


def history_of(log: Sequence[Mapping[str, Any]]) -> History:
    """The losses out of a log of transformers."""
    steps = tuple((int(row["step"]), float(row["loss"])) for row in log if "loss" in row)
    return History(steps, held_out_losses(log))


def held_out_losses(log: Sequence[Mapping[str, Any]]) -> tuple[Loss, ...]:
    """The held-out losses of a log, one per evaluation."""
    found = ((row["step"], row["eval_loss"]) for row in log if "eval_loss" in row)
    return tuple((int(step), float(loss)) for step, loss in found)


def best_of(losses: Sequence[Loss]) -> int | None:
    """The first step with the lowest loss; None without any."""
    return min(losses, key=lambda pair: pair[1])[0] if losses else None
