"""Learning from pairs of answers: trl's DPOTrainer on samples that are tokenised already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainingArguments
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from harness.training.sft.config import TrainConfig
from harness.training.sft.encoding import IGNORED, Sample
from harness.training.sft.job import Samples
from harness.training.sft.worker.trainer import AdapterTraining

COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids")


class PairTrainer(AdapterTraining, DPOTrainer):
    """Learns to prefer the chosen answers, from the weights that the training begins with."""

    @staticmethod
    def arguments(
        config: TrainConfig, samples: Samples, shared: Mapping[str, Any]
    ) -> TrainingArguments:
        """Spell the settings of this method for trl."""
        dpo = config.dpo
        return DPOConfig(
            **shared,
            max_length=None,
            loss_type=[dpo.loss, "sft"] if dpo.sft else [dpo.loss],
            loss_weights=[1.0, float(dpo.sft)] if dpo.sft else None,
            beta=dpo.beta,
            label_smoothing=dpo.label_smoothing,
        )

    @staticmethod
    def datasets(samples: Samples) -> tuple[Dataset, Dataset | None]:
        """Return pairs to train on and pairs that are held out."""
        return dataset(samples.train), dataset(samples.held_out) if samples.held_out else None

    @property
    def lengths(self) -> list[int]:
        """Tokens of every pair: its longer half twice, as both are padded to it."""
        return [
            2 * (len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"])))
            for row in self.sequences
        ]

    def as_trained(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yield ids and labels of both halves of every pair."""
        for row in self.sequences:
            for name in COLUMNS[1:]:
                prompt, answer = row["prompt_ids"], row[name]
                yield (*prompt, *answer), (*[IGNORED] * len(prompt), *answer)

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        """Return trl's loss of the batch."""
        if self.fused is not None:
            self.fused.refresh()
        theirs: Any = super().compute_loss  # trl leaves it untyped
        return theirs(*arguments, **named)

    def remember_start(self) -> None:
        """Compute once how likely the answers are before the first step: what trl compares with.

        trl would compute it with the adapter switched off, or with a second copy of it, for every
        batch; neither goes together with a projection and its adapter in one function.
        """
        self.train_dataset = self.sequences = self._with_start(self.train_dataset)
        if self.eval_dataset is not None:
            self.eval_dataset = self._with_start(self.eval_dataset)
        self.precompute_ref_logps = True

    def _prepare_dataset(self, dataset: Any, *arguments: Any, **named: Any) -> Any:
        return dataset  # its ids are those of inference

    def _with_start(self, dataset: Any) -> Any:
        model: Any = self.model
        found: dict[str, list[float]] = {"ref_chosen_logps": [], "ref_rejected_logps": []}
        if self.fused is not None:
            self.fused.refresh()
        model.eval()
        size = self.args.per_device_train_batch_size
        for at in range(0, len(dataset), size):
            rows = [dataset[index] for index in range(at, min(at + size, len(dataset)))]
            inputs = self._prepare_inputs(self.data_collator(rows))
            labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, IGNORED)
            with torch.no_grad(), self.compute_loss_context_manager():
                scored = model(
                    input_ids=inputs["input_ids"],
                    attention_mask=inputs["attention_mask"],
                    labels=labels,
                    use_cache=False,
                    fused_lm_head=True,
                )
            halves = scored.log_probs.sum(dim=1).float().chunk(2, dim=0)
            for name, values in zip(found, halves, strict=True):
                found[name] += values.tolist()
        model.train()
        for name, column in found.items():
            dataset = dataset.add_column(name, column)
        return dataset


def dataset(samples: Sequence[Sample]) -> Dataset:
    """Return samples, of which two in a row are a pair, as trl takes them."""
    prompts, chosen, rejected = [], [], []
    for good, bad in zip(samples[::2], samples[1::2], strict=True):
        start = good.starts[-1]
        prompts.append(list(good.ids[:start]))
        chosen.append(list(good.ids[start:]))
        rejected.append(list(bad.ids[bad.starts[-1] :]))
    return Dataset.from_dict(dict(zip(COLUMNS, (prompts, chosen, rejected), strict=True)))
