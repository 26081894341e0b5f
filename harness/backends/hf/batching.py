"""How large a batch may be, by device and memory."""

from __future__ import annotations

from typing import Any

import torch

from harness.backends.hf.decoding import Limits

# Measured on two CPU cores (see decoding.py): more rows or tokens run from main memory, not cache.
CPU_LIMITS = Limits(rows=64, tokens=16_384, prefill=2_048)
GPU_ROWS, GPU_PREFILL = 256, 8_192
CACHE_SHARE = 0.35  # of the free memory: while a batch is made anew, two caches are there


def choose_limits(model: Any, batch_tokens: int | None = None, rows: int | None = None) -> Limits:
    """The limits for a model in memory; `batch_tokens` and `rows` are the user's own."""
    limits = _gpu_limits(model) if model.device.type == "cuda" else CPU_LIMITS
    tokens = batch_tokens or limits.tokens
    return Limits(rows or limits.rows, tokens, min(limits.prefill, tokens))


def _gpu_limits(model: Any) -> Limits:
    free, _ = torch.cuda.mem_get_info(model.device)
    tokens = int(free * CACHE_SHARE / _bytes_per_token(model))
    return Limits(GPU_ROWS, max(1, tokens), GPU_PREFILL)


def _bytes_per_token(model: Any) -> int:
    """Keys and values of one token in all layers."""
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(2 * config.num_hidden_layers * key_heads * size * model.dtype.itemsize)
