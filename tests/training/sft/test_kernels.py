"""Tests of what makes training on a GPU fast, on a CPU: it computes what it stands in for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

from harness.backends.hf.placement import place
from harness.common import InputError
from harness.training.sft.config import PROJECTIONS
from harness.training.sft.worker.kernels import (
    FusedLora,
    Kernels,
    choose_kernels,
    collate_varlen,
    fuse_norms,
    use_varlen,
)
from tests.training.sft.made import config_for

ROWS = [
    {"input_ids": list(range(3, 33)), "labels": [-100] * 9 + list(range(12, 33))},
    {"input_ids": list(range(40, 57)), "labels": list(range(40, 57))},
    {"input_ids": list(range(60, 101)), "labels": [-100] * 40 + [100]},
]


def load(tiny: Path, dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_pretrained(tiny, dtype=dtype)


def adapted(tiny: Path, dtype: torch.dtype, **settings: Any) -> Any:
    """The tiny model with an adapter that does something."""
    settings = {"target_modules": list(PROJECTIONS), **settings}
    config = LoraConfig(r=4, lora_alpha=12, task_type="CAUSAL_LM", **settings)
    model = get_peft_model(load(tiny, dtype), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    return model


def loss_and_gradients(model: Any) -> tuple[float, Tensor]:
    ids = torch.arange(3, 83).view(2, 40)
    model.zero_grad()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    gradients = [p.grad.flatten().float() for p in model.parameters() if p.requires_grad]
    return loss.item(), torch.cat(gradients)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_a_fused_layer_computes_what_peft_computes(
    tiny: Path, dtype: torch.dtype, bound: float
) -> None:
    model = adapted(tiny, dtype)
    loss, gradients = loss_and_gradients(model)

    fused = FusedLora(model, dtype)

    assert (fused.fused, fused.left) == (14, 0)
    again, others = loss_and_gradients(model)
    assert again == pytest.approx(loss, rel=bound)
    assert (others - gradients).norm() < bound * gradients.norm()


def test_a_fused_layer_sees_what_the_optimiser_did(tiny: Path) -> None:
    model = adapted(tiny, torch.bfloat16)
    fused = FusedLora(model, torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.mul_(2)
    before, _ = loss_and_gradients(model)

    fused.refresh()

    after, _ = loss_and_gradients(model)
    assert after != before
    plain = adapted(tiny, torch.bfloat16)
    plain.load_state_dict(model.state_dict())
    assert loss_and_gradients(plain)[0] == pytest.approx(after, rel=0.01)


@pytest.mark.parametrize("settings", [{"lora_dropout": 0.1}, {"use_dora": True}])
def test_what_is_not_plain_lora_is_left_to_peft(tiny: Path, settings: dict[str, Any]) -> None:
    fused = FusedLora(adapted(tiny, torch.float32, **settings), torch.float32)

    assert (fused.fused, fused.left) == (0, 14)


def test_fused_norms_compute_the_same(tiny: Path) -> None:
    model = load(tiny, torch.float32)
    ids = torch.arange(3, 43)[None]
    before = model(input_ids=ids).logits

    assert fuse_norms(model) == 5
    assert torch.allclose(model(input_ids=ids).logits, before, atol=1e-5)


def test_a_norm_that_computes_something_else_is_left(tiny: Path) -> None:
    class OnePlusRMSNorm(nn.RMSNorm):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + x

    assert fuse_norms(nn.Sequential(OnePlusRMSNorm(8, eps=1e-6))) == 0


def attend_in_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    begins: Tensor,
    _: Tensor,
    longest: int,
    _longest: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool = False,
) -> Tensor:
    """What torch's `varlen_attn` computes on CUDA, row by row."""
    assert window_size == (-1, 0)
    assert longest == int(begins.diff().max())
    found = []
    for start, end in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
        q, k, v = (part[start:end].transpose(0, 1)[None] for part in (query, key, value))
        out = nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=scale, enable_gqa=enable_gqa
        )
        found.append(out[0].transpose(0, 1))
    return torch.cat(found)


def test_rows_in_one_sequence_are_computed_as_if_alone(tiny: Path) -> None:
    model = load(tiny, torch.float32)
    alone = [model(input_ids=torch.tensor([row["input_ids"]])).logits[0] for row in ROWS]

    use_varlen(model, attend_in_rows)

    batch = collate_varlen(ROWS)
    del batch["labels"]
    together = model(**batch, use_cache=False).logits[0]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    twice = torch.tensor([ROWS[0]["input_ids"]] * 2)
    assert torch.allclose(model(input_ids=twice, use_cache=False).logits[1], alone[0], atol=1e-5)


def test_a_row_is_not_asked_for_by_the_row_before() -> None:
    batch = collate_varlen(ROWS)

    assert batch["cu_seq_lens_q"].tolist() == [0, 30, 47, 88]
    assert batch["max_length_q"] == 41
    assert batch["position_ids"][0, 29:32].tolist() == [29, 0, 1]
    assert batch["labels"][0, 30:32].tolist() == [-100, 41]


def test_packed_rows_keep_their_borders() -> None:
    packed = {"input_ids": list(range(50)), "labels": list(range(50)), "seq_lengths": [20, 30]}

    assert collate_varlen([packed])["cu_seq_lens_q"].tolist() == [0, 20, 50]


def test_on_a_cpu_nothing_changes(tiny: Path, tmp_path: Path) -> None:
    placement, model = place("cpu", "float32"), AutoConfig.from_pretrained(tiny)

    chosen = choose_kernels(config_for(tiny, tmp_path), placement, model)
    assert chosen == Kernels(fused=False, liger=False, padding="on a CPU")
    with pytest.raises(InputError, match="liger: its kernels need CUDA"):
        choose_kernels(config_for(tiny, tmp_path, liger=True), placement, model)
