"""Learning from answers with rewards: the loss of trl's GRPOTrainer on answers that are there.

trl would generate in this process. Here the loop has asked the engine that judges, and scored the
answers with the suites' checks; what is left is the update.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Trainer, TrainingArguments
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from harness.training.sft.config import TrainConfig
from harness.training.sft.encoding import IGNORED
from harness.training.sft.job import Samples
from harness.training.sft.worker.trainer import AdapterTraining

COLUMNS = ("prompt_ids", "answer_ids", "advantage")
START = "start_logps"


class RewardTrainer(AdapterTraining, GRPOTrainer):
    """Makes answers likelier by how much better they are than others to the same prompt."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, reward_funcs=[_unasked], **named)
        self.data_collator = self._collate

    @staticmethod
    def arguments(
        config: TrainConfig, samples: Samples, shared: Mapping[str, Any]
    ) -> TrainingArguments:
        """Spell the settings of this method for trl."""
        grpo = config.grpo
        return GRPOConfig(
            **shared,
            loss_type=grpo.loss,
            epsilon=grpo.epsilon,
            epsilon_high=grpo.epsilon_high,
            beta=grpo.beta,
            temperature=grpo.temperature,
            max_completion_length=max(
                len(sample.ids) - sample.starts[-1] for sample in samples.train
            ),
            # trl generates nothing here; it demands numbers that would fit
            num_generations=2,
            generation_batch_size=2 * config.batch_size,
        )

    @staticmethod
    def datasets(samples: Samples) -> tuple[Dataset, Dataset | None]:
        """Return answers with what they are worth; none are held out."""
        starts = [sample.starts[-1] for sample in samples.train]
        prompts = [list(s.ids[:at]) for s, at in zip(samples.train, starts, strict=True)]
        answers = [list(s.ids[at:]) for s, at in zip(samples.train, starts, strict=True)]
        columns = (prompts, answers, list(samples.advantages))
        return Dataset.from_dict(dict(zip(COLUMNS, columns, strict=True))), None

    @property
    def lengths(self) -> list[int]:
        """Tokens of every prompt with its answer."""
        return [len(row["prompt_ids"]) + len(row["answer_ids"]) for row in self.sequences]

    def as_trained(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yield ids and labels of every answer."""
        for row in self.sequences:
            prompt, answer = row["prompt_ids"], row["answer_ids"]
            yield (*prompt, *answer), (*[IGNORED] * len(prompt), *answer)

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
        """Return trl's loss of the batch."""
        if self.fused is not None:
            self.fused.refresh()
        masks = inputs["prompt_mask"].sum() + inputs["completion_mask"].sum()
        self._total_train_tokens += int(masks)
        self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
        theirs: Any = super().compute_loss  # trl leaves it untyped
        return theirs(model, inputs, *arguments, **named)

    def remember_start(self) -> None:
        """Compute how likely each token was to the weights that gave the answers."""
        model: Any = self.model
        if self.fused is not None:
            self.fused.refresh()
        model.eval()
        found: list[list[float]] = []
        size = self.args.per_device_train_batch_size
        for at in range(0, len(self.sequences), size):
            rows = [self.sequences[n] for n in range(at, min(at + size, len(self.sequences)))]
            inputs = self._prepare_inputs(self._collate(rows))
            ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
            mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
            with torch.no_grad():
                logps = self._get_per_token_logps_and_entropies(
                    model, ids, mask, inputs["completion_ids"].size(1)
                )[0].float()
            for row, values in zip(rows, logps.tolist(), strict=True):
                found.append(values[: len(row["answer_ids"])])
        model.train()
        self.train_dataset = self.sequences = self.sequences.add_column(START, found)

    def _collate(self, rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Pad prompts on the left and answers on the right, as trl computes them."""
        pad = self.processing_class.pad_token_id  # type: ignore[union-attr]  # a tokenizer
        prompts = [torch.tensor(row["prompt_ids"]) for row in rows]
        answers = [torch.tensor(row["answer_ids"]) for row in rows]

        def padded(parts: list[Tensor], value: float, side: str = "right") -> Tensor:
            return pad_sequence(parts, batch_first=True, padding_value=value, padding_side=side)

        batch = {
            "prompt_ids": padded(prompts, pad, "left"),
            "prompt_mask": padded([torch.ones_like(ids) for ids in prompts], 0, "left"),
            "completion_ids": padded(answers, pad),
            "completion_mask": padded([torch.ones_like(ids) for ids in answers], 0),
            "advantages": torch.tensor([row["advantage"] for row in rows]),
        }
        if START in rows[0]:
            start = padded([torch.tensor(row[START]) for row in rows], 0.0)
            batch |= {"old_per_token_logps": start, "ref_per_token_logps": start}
        return batch

    # What trl would do for answers of its own is done as for any training set.

    def get_train_dataloader(self) -> Any:
        return Trainer.get_train_dataloader(self)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        return Trainer._prepare_inputs(self, generation_batch)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns: Any = [*COLUMNS, START]


def _unasked(**_: Any) -> list[float]:
    raise AssertionError("rewards come with the answers")
