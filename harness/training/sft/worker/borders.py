"""Whether rows that share a sequence stay apart: asked of the model itself, before the first step.

Whether one row sees the one before it depends on the model's code, the attention that it runs with
and the versions of both; where it does, nothing says so. So the second of two rows is computed
alone, together with the first, and behind the first without any border.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.common import InputError, Problem
from harness.training.sft.encoding import Sample

MOST = 0.1  # of the change that a row without a border would see; rounding alone is far below


def demand_packing(trainer: Any, samples: Sequence[Sample]) -> None:
    """Raise `InputError` where a packed row is answered otherwise than the same row alone."""
    if found := seen_by_others(trainer, sorted(samples, key=lambda sample: len(sample.ids))[-2:]):
        raise InputError(
            Problem(
                "packing: rows in one sequence see each other with this model and this attention",
                trainer.job.config.model,
                found=found,
                hint="leave packing out, or try model_args: {attn_implementation: "
                "flash_attention_2}",
            )
        )


def seen_by_others(trainer: Any, samples: Sequence[Sample], alone: Tensor | None = None) -> str:
    """Say how much the second of two samples sees of the first in one sequence; empty if nothing.

    `alone` are the logits of the second by itself, where they were computed with another attention.
    """
    if len(samples) < 2:
        return ""
    first, second = samples
    alone = logits_of(trainer, [second]) if alone is None else alone
    packed = logits_of(trainer, samples)[-len(second.ids) :]
    one = Sample(first.ids + second.ids, first.labels + second.labels, 0, (), ())
    mixed = logits_of(trainer, [one])[-len(second.ids) :]
    seen, borderless = (float((each - alone).abs().max()) for each in (packed, mixed))
    if seen <= MOST * borderless:
        return ""
    return f"logits change by {seen:.2g}; without any border by {borderless:.2g}"


def logits_of(trainer: Any, samples: Sequence[Sample]) -> Tensor:
    """Compute samples in one sequence, collated as in training: tokens × vocabulary."""
    row = {
        "input_ids": [token for sample in samples for token in sample.ids],
        "labels": [label for sample in samples for label in sample.labels],
        "seq_lengths": [len(sample.ids) for sample in samples],
    }
    inputs = trainer._prepare_inputs(trainer.data_collator([row]))
    inputs = {name: value for name, value in inputs.items() if name != "labels"}
    trainer.model.eval()
    with torch.no_grad(), trainer.accelerator.autocast():
        found: Tensor = trainer.model(**inputs, use_cache=False).logits[0].float()
    trainer.model.train()
    return found
