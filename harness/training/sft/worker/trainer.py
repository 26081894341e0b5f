"""What all trainers share: our order of samples, our way of writing checkpoints, the watch."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback, TrainingArguments

from harness.training.sft.checkpoints import (
    TRAINED,
    best_of,
    checkpoint_name,
    held_out_losses,
    history_of,
    publish,
    rotate,
)
from harness.training.sft.config import TrainConfig
from harness.training.sft.job import Evaluated, Observer, Samples, Saved, Stepped, TrainingJob
from harness.training.sft.worker.beginnings import begin_with, save_as_plain
from harness.training.sft.worker.failures import Diverged
from harness.training.sft.worker.kernels import FusedLora
from harness.training.sft.worker.sharing import InOrder, Reseed, StepSampler, WithBlank, World

# What transformers adds to a checkpoint that no adapter needs; the first is a pickle.
_SUPERFLUOUS = ("training_args.bin", "README.md")


class AdapterTraining(Trainer):
    """What the trainers of one `Job` share, whatever they learn from; stands before a trl trainer.

    The training set has a row for each sequence, or each pair, of a step.
    """

    _metrics: Any  # trl's: by `train` and `eval`

    def __init__(self, job: TrainingJob, send: Observer, **arguments: Any) -> None:
        self.job, self.send = job, send
        self.world = World.here()
        self.fused: FusedLora | None = None
        self.begun: dict[str, torch.Tensor] = {}  # the factors that were taken out of the base
        self._staging: Path | None = None
        super().__init__(**arguments)
        if self.world.size > 1:
            self.add_callback(Reseed(self.world, self.args.seed))
        self.sequences: Any = self.train_dataset  # packed, if it was to be
        self.args.max_steps = self.steps

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one pass over the samples, packed or not."""
        return math.ceil(len(self.sequences) / self.job.config.batch_size)

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.job.config.steps(len(self.sequences))

    @property
    def lengths(self) -> list[int]:
        """Tokens of every sequence."""
        return [len(ids) for ids in self.sequences["input_ids"]]

    @staticmethod
    def arguments(
        config: TrainConfig, samples: Samples, shared: Mapping[str, Any]
    ) -> TrainingArguments:
        """Spell the settings of this method for trl; `shared` are those of all methods."""
        raise NotImplementedError

    @staticmethod
    def datasets(samples: Samples) -> tuple[Dataset, Dataset | None]:
        """Return what is trained on and what is held out, as trl takes samples with ids."""
        raise NotImplementedError

    def remember_start(self) -> None:
        """Compute what depends on the weights that the training begins with, and will change."""

    def as_trained(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yield ids and labels of every sample, as trl has them now."""
        raise NotImplementedError

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Go forwards and backwards once; the modules are told only once that they are trained."""
        # An evaluation is told the model alone, and not what wraps it for several processes.
        if not (model.training and self.model is not None and self.model.training):
            model.train()
        with self.compute_loss_context_manager():
            inputs = self._prepare_inputs(inputs)
            loss: Any = self.compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
        if num_items_in_batch is None:
            loss = loss / self.current_gradient_accumulation_steps
        self.accelerator.backward(loss)
        return loss.detach()

    def floating_point_ops(self, inputs: Any) -> int:
        """Count nothing: transformers would walk through all modules for each batch."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Fetch what was counted on the device, and tell of it."""
        for metrics in self._metrics.values():
            for name, values in metrics.items():
                values[:] = [float(value) for value in values]
                if self.world.size > 1 and values:
                    mean = torch.tensor(sum(values) / len(values), device=self.args.device)
                    values[:] = [float(self.accelerator.reduce(mean, "mean"))]
                    if name == "num_tokens":
                        values[0] *= self.world.size
        super().log(logs, start_time)

    @property
    def at_once(self) -> int:
        """Rows that all processes compute together at once; alone, a short step is no matter."""
        each: int = self.args.per_device_train_batch_size
        return each * self.world.size if self.world.size > 1 else 1

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return StepSampler(self.lengths, self.job.config.batch_size, self.args.seed, self.at_once)

    def _get_eval_sampler(self, eval_dataset: Any) -> Sampler[int]:
        return InOrder(len(eval_dataset), self.at_once)

    def _get_dataloader(self, dataset: Any, *arguments: Any, **named: Any) -> Any:
        rows = WithBlank(dataset) if self.world.size > 1 else dataset
        return super()._get_dataloader(rows, *arguments, **named)

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._staging) if self._staging else str(super()._get_output_dir(trial))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write the checkpoint elsewhere and rename it when it is complete.

        Of several processes the first writes; the others take part in what all have to say for it.
        """
        if self.world.rank:
            Trainer._save_checkpoint(self, model, trial)
        else:
            step, output = self.state.global_step, self.job.config.output
            target = output / checkpoint_name(step, self.steps)
            publish(target, lambda staging: self._write(staging, model, trial))
            best = history_of(self.state.log_history).best
            rotate(output, self.job.config.keep_checkpoints, best)
            self.send(Saved(step, str(target)))
        self.world.wait()

    def _save_rng_state(self, output_dir: str) -> None:
        """Save the state of the first process alone: with several, each step draws anew."""
        if self.world.rank == 0:
            super()._save_rng_state(output_dir)

    def _write(self, staging: Path, model: Any, trial: Any) -> None:
        self._staging = staging
        try:
            Trainer._save_checkpoint(self, model, trial)
        finally:
            self._staging = None
        inner = staging / f"checkpoint-{self.state.global_step}"
        for file in sorted(inner.iterdir()):
            name = "rng_state.pth" if file.name == "rng_state_0.pth" else file.name
            file.rename(staging / name)
        inner.rmdir()
        for name in _SUPERFLUOUS:
            (staging / name).unlink(missing_ok=True)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The adapter alone: the tokenizer is saved once, beside the finished adapter."""
        processing, self.processing_class = self.processing_class, None
        if self.job.footing and self.job.footing.sharded and self.model is not None:
            # peft looks through all weights, which would ask the other processes for their parts.
            state_dict = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        try:
            super()._save(output_dir, state_dict)
        finally:
            self.processing_class = processing
        if self.begun and output_dir is not None:
            save_as_plain(Path(output_dir), self.begun, self.job.config.lora)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.begun:
            begin_with(self.model, Path(resume_from_checkpoint) / TRAINED)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)


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
        """Tell of a step; raise `Diverged` before its weights can be saved."""
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
    """Say why training must stop after these losses, or an empty string."""
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
    """Return whether the last `patience` evaluations were no better than the best before them."""
    if patience is None or len(losses) <= patience:
        return False
    return min(losses[-patience:]) >= min(losses[:-patience])
