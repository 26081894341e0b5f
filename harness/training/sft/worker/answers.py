"""Learning answers: trl's SFTTrainer on samples that are tokenised already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from datasets import Dataset
from transformers import TrainingArguments
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from harness.training.sft.config import TrainConfig
from harness.training.sft.encoding import Sample
from harness.training.sft.job import Samples
from harness.training.sft.worker.trainer import AdapterTraining

COLUMNS = ("input_ids", "labels")
PACKED = 2048  # tokens of a packed sequence; each row in it has positions of its own


class AnswerTrainer(AdapterTraining, SFTTrainer):
    """Learns answers by heart: the mean loss of their tokens."""

    @staticmethod
    def arguments(
        config: TrainConfig, samples: Samples, shared: Mapping[str, Any]
    ) -> TrainingArguments:
        """Spell the settings of this method for trl."""
        lengths = [len(sample.ids) for sample in (*samples.train, *samples.held_out)]
        return SFTConfig(
            **shared,
            max_length=max([*lengths, PACKED if config.packing else 0]),
            packing=config.packing,
            eval_packing=False,
            dataset_kwargs=None if config.packing else {"skip_prepare_dataset": True},
        )

    @staticmethod
    def datasets(samples: Samples) -> tuple[Dataset, Dataset | None]:
        """Return what is trained on, and what is held out by length."""
        held_out = sorted(samples.held_out, key=lambda sample: len(sample.ids))
        return dataset(samples.train), dataset(held_out) if held_out else None

    def as_trained(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yield ids and labels of every sample, packed or not."""
        for row in self.sequences:
            at = 0
            for length in row.get("seq_lengths") or [len(row["input_ids"])]:
                ids, labels = row["input_ids"], row["labels"]
                yield tuple(ids[at : at + length]), tuple(labels[at : at + length])
                at += length

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the mean loss of the answers' tokens.

        As trl's, but what is counted beside it stays on the device until it is told: the host would
        wait for the device in the middle of each step.
        """
        if self.fused is not None:
            self.fused.refresh()
        if return_outputs or self.aux_loss_enabled:
            theirs: Any = super().compute_loss  # trl leaves it untyped
            return theirs(model, inputs, return_outputs, num_items_in_batch)
        mode = "train" if model.training else "eval"
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        answered = outputs.label_mask.sum().clamp(min=1)
        items = answered if num_items_in_batch is None else num_items_in_batch
        metrics = self._metrics[mode]
        metrics["entropy"].append(outputs.entropy.detach().sum() / answered)
        metrics["mean_token_accuracy"].append(outputs.is_top1.sum() / answered)
        if mode == "train":
            mask = inputs.get("attention_mask")
            tokens = inputs["input_ids"].numel() if mask is None else int(mask.sum())
            self._total_train_tokens += tokens
        metrics["num_tokens"] = [self._total_train_tokens]
        loss = -outputs.log_probs.sum() / items
        # Gradients are averaged over the processes, and these are shares of one sum.
        return loss if num_items_in_batch is None else loss * self.world.size


def dataset(samples: Sequence[Sample]) -> Dataset:
    """Return samples as trl takes rows that are tokenised already."""
    ids, labels = [list(s.ids) for s in samples], [list(s.labels) for s in samples]
    return Dataset.from_dict(dict(zip(COLUMNS, (ids, labels), strict=True)))
