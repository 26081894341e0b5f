"""The embedded model with its projections in four bits, rounded, in the layouts of GPTQ and AWQ."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

GROUP = 64  # inputs that share a scale; divides 256 and 704, the model's widths
ZERO = 8  # the number that stands for 0, so that 0 to 15 are −8 to 7
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # of the eight numbers in an int32 (AutoAWQ's GEMM layout)
SETTINGS = {
    "gptq": {"quant_method": "gptq", "desc_act": False, "sym": True, "lm_head": False},
    "awq": {"quant_method": "awq", "zero_point": True, "version": "gemm"},
}


def quantised(model: Path, method: str, folder: Path) -> Path:
    """A copy of the model in `folder`, quantised by `method`: "gptq" or "awq"."""
    shutil.copytree(model, folder)
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(model / "model.safetensors").items():
        if name.endswith("_proj.weight"):
            parts = _gptq(tensor) if method == "gptq" else _awq(tensor)
            tensors |= {name.removesuffix("weight") + part: t for part, t in parts.items()}
        else:
            tensors[name] = tensor
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {**SETTINGS[method], "bits": 4, "group_size": GROUP}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _gptq(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """Packed along the inputs; zeros are stored less one."""
    numbers, zeros, scales = _rounded(weight)
    groups = torch.arange(len(numbers), dtype=torch.int32) // GROUP
    return {
        "qweight": _packed(numbers.T).T.contiguous(),
        "qzeros": _packed(zeros - 1),
        "scales": scales,
        "g_idx": groups,
    }


def _awq(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """Packed along the outputs, in an order of its own."""
    numbers, zeros, scales = _rounded(weight)
    return {
        "qweight": _packed(numbers, AWQ_ORDER),
        "qzeros": _packed(zeros, AWQ_ORDER),
        "scales": scales,
    }


def _rounded(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Numbers [in, out], zeros and scales [in / GROUP, out]: weight ≈ (number − zero) × scale."""
    inputs = weight.float().T
    groups = inputs.reshape(-1, GROUP, inputs.shape[1])
    scales = groups.abs().amax(1).clamp_min(1e-8) / ZERO
    numbers = (groups / scales[:, None] + ZERO).round().clamp(0, 15).reshape(inputs.shape)
    return numbers.long(), torch.full_like(scales, ZERO).long(), scales.half()


def _packed(numbers: torch.Tensor, order: Sequence[int] = range(8)) -> torch.Tensor:
    """Eight four-bit numbers of the last axis in one int32, the first in the lowest bits."""
    eights = numbers.reshape(*numbers.shape[:-1], -1, 8)
    words = torch.zeros(eights.shape[:-1], dtype=torch.int64)
    for place, source in enumerate(order):
        words |= eights[..., source] << (4 * place)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32)
