"""trl's trainer with our order of samples and our way of writing checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.utils.data import Sampler
from transformers import Trainer
from trl.trainer.sft_trainer import SFTTrainer

from harness.training.trainer.checkpoints import checkpoint_name, publish, rotate
from harness.training.trainer.events import Observer, Saved
from harness.training.trainer.history import history_of
from harness.training.trainer.job import Job
from harness.training.trainer.order import epoch_order

# What transformers adds to a checkpoint that no adapter needs; the first is a pickle.
_SUPERFLUOUS = ("training_args.bin", "README.md")


class StepSampler(Sampler[int]):
    """The order of `epoch_order`; accelerate tells it the epoch, also when a training resumes."""

    def __init__(self, lengths: list[int], batch: int, seed: int) -> None:
        self.lengths, self.batch, self.seed = lengths, batch, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Take the order of another epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(epoch_order(self.lengths, self.batch, self.seed, self.epoch))


class AdapterTrainer(SFTTrainer):
    """SFTTrainer for one `Job`."""

    def __init__(self, job: Job, send: Observer, **arguments: Any) -> None:
        self.job, self.send = job, send
        self._staging: Path | None = None
        super().__init__(**arguments)
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

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return StepSampler(self.lengths, self.job.config.batch_size, self.args.seed)

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._staging) if self._staging else str(super()._get_output_dir(trial))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write the checkpoint elsewhere and rename it when it is complete."""
        step, output = self.state.global_step, self.job.config.output
        target = output / checkpoint_name(step, self.steps)
        publish(target, lambda staging: self._write(staging, model, trial))
        best = history_of(self.state.log_history).best
        rotate(output, self.job.config.keep_checkpoints, best)
        self.send(Saved(step, str(target)))

    def _write(self, staging: Path, model: Any, trial: Any) -> None:
        self._staging = staging
        try:
            Trainer._save_checkpoint(self, model, trial)
        finally:
            self._staging = None
        inner = staging / f"checkpoint-{self.state.global_step}"
        for file in sorted(inner.iterdir()):
            file.rename(staging / file.name)
        inner.rmdir()
        for name in _SUPERFLUOUS:
            (staging / name).unlink(missing_ok=True)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The adapter alone: the tokenizer is saved once, beside the finished adapter."""
        processing, self.processing_class = self.processing_class, None
        try:
            super()._save(output_dir, state_dict)
        finally:
            self.processing_class = processing
