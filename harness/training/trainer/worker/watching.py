"""What happens between steps: events, checkpoints when they are due, the two ways to end early."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback

from harness.training.trainer.events import Evaluated, Observer, Stepped
from harness.training.trainer.history import best_of, held_out_losses
from harness.training.trainer.worker.failures import Diverged

WINDOW = 5  # steps whose mean loss is looked at
RISE = 3.0  # times the first window's mean, and one nat above it at least: no noise goes so far


class Watch(TrainerCallback):
    """Tells of every step; asks for checkpoints; stops what diverges or no longer improves."""

    def __init__(
        self, send: Observer, every: int, patience: int | None, *, evaluates: bool
    ) -> None:
        self.send, self.every = send, every
        self.patience, self.evaluates = patience, evaluates
        self._begun, self._tokens = time.monotonic(), 0
        self._losses: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time."""
        self._begun = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a checkpoint where one is due, and after the last step."""
        last = state.global_step >= state.max_steps
        control.should_log = True
        if last or state.global_step % self.every == 0:
            control.should_save = True
            control.should_evaluate = self.evaluates

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Tell of a step; raises `Diverged` before its weights can be saved."""
        if logs is None or "loss" not in logs:
            return
        loss, norm = float(logs["loss"]), float(logs.get("grad_norm", 0.0))
        self._losses.append(loss)
        if reason := diverges(self._losses, norm):
            raise Diverged(f"training diverged in step {state.global_step}: {reason}")
        seen = int(logs.get("num_tokens", 0))
        tokens, self._tokens = seen - self._tokens, seen
        rate = float(logs.get("learning_rate", 0.0))
        spent = time.monotonic() - self._begun
        self.send(Stepped(state.global_step, state.max_steps, loss, rate, norm, tokens, spent))

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell of the held-out loss; end the training where it has stopped falling."""
        losses = held_out_losses(state.log_history)
        if not losses:
            return
        step, loss = losses[-1]
        best = best_of(losses)
        self.send(Evaluated(step, loss, best == step))
        if exhausted([loss for _, loss in losses], self.patience):
            control.should_training_stop = True


def diverges(losses: Sequence[float], grad_norm: float) -> str:
    """Why training must stop after these losses, or an empty string."""
    if not math.isfinite(losses[-1]):
        return f"the loss is {losses[-1]}"
    if not math.isfinite(grad_norm):
        return f"the norm of the gradient is {grad_norm}"
    if len(losses) < 2 * WINDOW:
        return ""
    first, last = sum(losses[:WINDOW]) / WINDOW, sum(losses[-WINDOW:]) / WINDOW
    if last > max(RISE * first, first + 1.0):
        return f"the loss rose from {first:.3g} to {last:.3g}"
    return ""


def exhausted(losses: Sequence[float], patience: int | None) -> bool:
    """Whether the last `patience` evaluations were no better than the best before them."""
    if patience is None or len(losses) <= patience:
        return False
    return min(losses[-patience:]) >= min(losses[:-patience])
