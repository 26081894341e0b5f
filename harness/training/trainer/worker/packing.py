"""Whether packed rows stay apart: asked of the model itself, before the first step.

Packed rows share a sequence. Whether one row sees the one before it depends on the model's code,
the attention that it runs with and the versions of both; where it does, nothing says so. So the
second of two rows is computed alone, packed, and behind the first without any border.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from harness.errors import InputError, Problem
from harness.training.trainer.encoding import Sample

MOST = 0.1  # of the change that a row without a border would see; rounding alone is far below


def demand_packing(trainer: Any, samples: Sequence[Sample]) -> None:
    """Raises `InputError` where a packed row is answered otherwise than the same row alone."""
    if len(samples) < 2:
        return
    first, second = sorted(samples, key=lambda sample: len(sample.ids))[-2:]
    trainer.model.eval()
    alone = _logits(trainer, [second])[-len(second.ids) :]
    packed = _logits(trainer, [first, second])[-len(second.ids) :]
    mixed = _plain(trainer, first.ids + second.ids)[-len(second.ids) :]
    trainer.model.train()
    found, borderless = _difference(packed, alone), _difference(mixed, alone)
    if found > MOST * borderless:
        raise InputError(
            Problem(
                "packing: rows in one sequence see each other with this model and this attention",
                trainer.job.config.model,
                found=f"logits change by {found:.2g}; without any border by {borderless:.2g}",
                mend="leave packing out, or try model_args: {attn_implementation: "
                "flash_attention_2}",
            )
        )


def _logits(trainer: Any, samples: Sequence[Sample]) -> Any:
    """Logits of samples packed as in training."""
    row = {
        "input_ids": [token for sample in samples for token in sample.ids],
        "labels": [label for sample in samples for label in sample.labels],
        "seq_lengths": [len(sample.ids) for sample in samples],
    }
    inputs = trainer._prepare_inputs(trainer.data_collator([row]))
    return _computed(trainer, {name: value for name, value in inputs.items() if name != "labels"})


def _plain(trainer: Any, ids: Sequence[int]) -> Any:
    return _computed(trainer, {"input_ids": torch.tensor([ids], device=trainer.model.device)})


def _computed(trainer: Any, inputs: dict[str, Any]) -> Any:
    with torch.no_grad(), trainer.compute_loss_context_manager():
        return trainer.model(**inputs, use_cache=False).logits[0].float()


def _difference(one: Any, other: Any) -> float:
    return float((one - other).abs().max())
