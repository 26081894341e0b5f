"""QLoRA: the base held in 4 bits by bitsandbytes, on a GPU or on a CPU (arXiv 2305.14314)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from harness.errors import MachineryError, Problem


def four_bits(dtype: torch.dtype) -> Any:
    """How the base is loaded: 4-bit NormalFloat, quantised twice, computed in `dtype`."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]  # as transformers has it
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def settle(model: nn.Module) -> str:
    """Make the model fit to be trained; says how much of the base is in 4 bits.

    The adapter is put into float32, as without QLoRA: trl has put it into bfloat16, in which small
    steps are lost to rounding, and which GPUs that train in float16 do not scale. On a CPU,
    bitsandbytes would pack the base anew, and less exactly, for the first evaluation. Raises
    MachineryError where nothing was quantised.
    """
    from bitsandbytes.nn import Linear4bit

    matrices = [module for module in model.modules() if isinstance(module, Linear4bit)]
    if not matrices:
        raise MachineryError(Problem("qlora: no matrix of the base is in 4 bits"))
    for matrix in matrices:
        matrix.support_avx512bf16_for_cpu = False
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return f"qlora: {len(matrices)} matrices of the base are in 4 bits"
