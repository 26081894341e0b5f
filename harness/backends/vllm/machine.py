"""What the plan needs to know of a model and of this machine, read from files alone."""

from __future__ import annotations

import math
import os
from pathlib import Path

from harness.backends.model_dir import ModelDir
from harness.backends.vllm.planning import Machine, Model

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_UNKNOWN_MEMORY = 8 << 30  # bytes, where the system does not say


def here(*, is_cpu: bool) -> Machine:
    """This machine."""
    return Machine(is_cpu, usable_cores(), _free_memory(), _has_compiled())


def usable_cores() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def describe_model(model: ModelDir, dtype: str) -> Model:
    """Sizes of a model, from its configuration and the headers of its files."""
    inner = model.config.get("text_config")
    config = inner if isinstance(inner, dict) else model.config
    layers, heads = int(config.get("num_hidden_layers", 1)), config.get("num_attention_heads", 1)
    size = config.get("head_dim") or int(config.get("hidden_size", 1)) // int(heads)
    key_heads = config.get("num_key_value_heads") or heads
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    return Model(
        layers=layers,
        parameters=sum(math.prod(tensor.shape) for tensor in model.tensors.values()),
        kv_bytes=2 * layers * int(key_heads) * int(size) * _BYTES.get(dtype, 2),
        context=model.context_length,
        rope=str(rope.get("rope_type", rope.get("type", ""))),
    )


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return _UNKNOWN_MEMORY


def _has_compiled() -> bool:
    """Whether vLLM has kept anything compiled on this machine; of which model it does not say."""
    root = os.environ.get("VLLM_CACHE_ROOT") or Path(
        os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "vllm"
    )
    return any(Path(root, "torch_compile_cache").glob("*"))
