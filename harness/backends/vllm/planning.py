"""How the engine is started, so that start and answers together take the least time.

Pure: from the work and the machine to the engine's arguments, each with its reason. Measured on one
H200 with vLLM 0.25.1, a Qwen2.5-7B of random weights in bfloat16, LoRA of rank 16 switched on,
prompts of 180 to 520 tokens, 300 answers of 128 tokens:

    mode       start, s                        base, s   one adapter, s
    compiled   65, with a warm cache 51.6      3.1       3.9
    eager      16.6                            3.9       7.2

Fewer captured graphs are between the two in both columns and are never the best choice. What is
told by the user holds.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.backends.base import common_prefix
from harness.backends.models import ModelDir
from harness.backends.vllm.versions import lora_rank

MEASURED_TOKENS = 300 * 128  # of the table above
MEASURED_LAYERS = 28  # of its model: what eager execution costs grows with their number


@dataclass(frozen=True, slots=True)
class Mode:
    """One row of the table: seconds to start (cold and warm), and for the measured tokens."""

    cold: float
    warm: float
    base: float
    adapter: float


COMPILED = Mode(cold=65.0, warm=51.6, base=3.1, adapter=3.9)
EAGER = Mode(cold=16.6, warm=16.6, base=3.9, adapter=7.2)

# Answers end before their limit. Measured on the starter suites with the embedded model: 17,239
# of the 74,400 tokens that were allowed.
ANSWER_SHARE = 0.25
# Turns that follow a first one are longer; an engine that turns out too short is started again.
GROWTH = 2
SHORTEST = 2_048  # tokens; below this nothing is saved
# Contexts of these kinds compute the same at any length; others choose by the longest allowed.
_STEADY_ROPE = frozenset(("", "default", "linear", "llama3", "yarn", "mrope"))
SEQUENCES = 256  # prompts at once in vLLM's own choice for most devices
CPU_SEQUENCES = 64  # more rows than this fall out of a CPU's cache (measured for the backend hf)
# vLLM's CPU kernels (0.25.1 to 0.32; vllm-project/vllm#48421) take slot -1, the last one, for rows
# without an adapter that share a batch with others: the base then answers with the adapter that is
# there. So the last slot stays empty, and holds zeros.
CPU_SPARE_SLOTS = 1
LORA_SLOTS = 8  # adapters in one batch at most: each takes memory, and variants come in turn
SHARED_BLOCK = 16  # tokens: what vLLM's prefix cache is cut into
SHARED_LEAST = 0.01  # of all prompt tokens; below, looking prompts up is all that a cache does
GIB = 1 << 30
KV_SHARE = 0.25  # of the free memory, for keys and values on a CPU
CPU_BATCH = 4096  # tokens of one step: vLLM's own choice there
SMALL = 50_000_000  # parameters below which one thread is the fastest (measured with 5.5 M)


@dataclass(frozen=True, slots=True)
class Work:
    """What is asked. Tokens are those of the answers, at most; `longest` is prompt and answer.

    `shared` is the share of prompt tokens that an earlier prompt of the same variant begins with.
    """

    answers: int
    base_tokens: int = 0
    adapter_tokens: int = 0
    longest: int = 0
    shared: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What matters of the model: `kv_bytes` for one token in all layers."""

    layers: int
    parameters: int
    kv_bytes: int
    context: int | None = None
    rope: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it runs. `memory` is what is free, in bytes; `is_warm`: vLLM has compiled before."""

    is_cpu: bool
    cores: int
    memory: int
    is_warm: bool = False


@dataclass(frozen=True)
class EngineStart:
    """How to start: arguments for the engine, environment variables, and why."""

    arguments: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


def plan_start(
    work: Work,
    model: ModelShape,
    machine: Machine,
    ranks: Sequence[int],
    given: Mapping[str, Any],
) -> EngineStart:
    """Plan the start with the smallest total time.

    `ranks` are the adapters', `given` the user's arguments.
    """
    arguments: dict[str, Any] = {}
    reasons: list[str] = []

    def choose(reason: str, **chosen: Any) -> None:
        arguments.update(chosen)
        if reason and not chosen.keys() & given.keys():
            reasons.append(reason)

    _choose_mode(work, model, machine, given, choose)

    # An engine that turns out too short is started again.
    if model.rope in _STEADY_ROPE:
        length = max(SHORTEST, 1 << math.ceil(math.log2(max(1, work.longest * GROWTH))))
        if model.context is not None and length >= model.context:
            choose("", max_model_len=model.context)
        else:
            most = f"prompt and answer take {work.longest:,} tokens at most"
            choose(f"max_model_len {length:,}: {most}", max_model_len=length)

    # On a GPU with many answers vLLM chooses: it knows the device.
    most_rows = CPU_SEQUENCES if machine.is_cpu else SEQUENCES
    if work.answers < most_rows:
        few = max(8, -(-work.answers // 8) * 8)
        choose(f"max_num_seqs {few}: there are {work.answers} answers", max_num_seqs=few)
    elif machine.is_cpu:
        slow = f"max_num_seqs {most_rows}: more run from memory, not from cache"
        choose(slow, max_num_seqs=most_rows)

    if machine.is_cpu:
        # After a piece of a prompt vLLM sets the generator of a seed back, and breaks: a CPU's has
        # no place that it could be set to.
        length = {**arguments, **given}.get("max_model_len") or 0
        choose("", enable_chunked_prefill=False, max_num_batched_tokens=max(CPU_BATCH, length))

    if work.shared >= SHARED_LEAST:
        shared = f"prefix cache on: {work.shared:.0%} of the prompt tokens are shared"
        choose(shared, enable_prefix_caching=True)
    else:
        choose("prefix cache off: prompts share no beginnings", enable_prefix_caching=False)

    if ranks:
        rank, slots = lora_rank(max(ranks)), lora_slots(len(ranks), is_cpu=machine.is_cpu)
        more = {"max_cpu_loras": len(ranks)} if len(ranks) > slots else {}
        spare = ", and one that stays empty for the base" if machine.is_cpu else ""
        adapters = "1 adapter" if len(ranks) == 1 else f"{len(ranks)} adapters"
        choose(
            f"max_lora_rank {rank}, max_loras {slots}: {adapters} of one base{spare}",
            enable_lora=True,
            max_lora_rank=rank,
            max_loras=slots,
            **more,
        )

    arguments |= given
    environment: dict[str, str] = {}
    if machine.is_cpu:  # vLLM's own choice would take nearly all the memory for keys and values
        rows = arguments.get("max_num_seqs", CPU_SEQUENCES)
        tokens = rows * arguments.get("max_model_len", SHORTEST)
        wanted = max(1, -(-tokens * model.kv_bytes // GIB))
        gib = max(1, min(wanted, int(machine.memory * KV_SHARE) // GIB))
        threads = 1 if model.parameters < SMALL else machine.cores
        environment["OMP_NUM_THREADS"] = str(threads)
        if threads < machine.cores:
            reasons.append(f"threads {threads}: the model is too small for more")
        if "kv_cache_memory_bytes" not in arguments:
            environment["VLLM_CPU_KVCACHE_SPACE"] = str(gib)
            share = f"at most a {KV_SHARE:.0%} share of the free memory"
            reasons.append(f"VLLM_CPU_KVCACHE_SPACE {gib} GiB: for the longest prompts, {share}")
    return EngineStart(arguments, environment, tuple(reasons))


def seconds(mode: Mode, work: Work, layers: int, *, is_warm: bool) -> float:
    """Return how long start and answers take on the measured GPU."""
    per_token = work.base_tokens * mode.base + work.adapter_tokens * mode.adapter
    answers = ANSWER_SHARE * per_token / MEASURED_TOKENS * layers / MEASURED_LAYERS
    return (mode.warm if is_warm else mode.cold) + answers


def shared_prefixes(prompts: Sequence[Sequence[int]]) -> float:
    """Return the share of tokens that the prompt before begins with, in whole blocks, sorted."""
    ordered = sorted(map(tuple, prompts))
    total = sum(map(len, ordered))
    begun = (common_prefix(one, other) for one, other in pairwise(ordered))
    shared = sum(tokens // SHARED_BLOCK * SHARED_BLOCK for tokens in begun)
    return shared / total if total else 0.0


def _choose_mode(
    work: Work,
    model: ModelShape,
    machine: Machine,
    given: Mapping[str, Any],
    choose: Callable[..., None],
) -> None:
    """Choose between eager and compiled execution, unless the user has."""
    if "compilation_config" in given or "optimization_level" in given:
        return
    if machine.is_cpu:
        choose("eager: on a CPU, compiling takes longer than it saves", enforce_eager=True)
        return
    eager = seconds(EAGER, work, model.layers, is_warm=machine.is_warm)
    compiled = seconds(COMPILED, work, model.layers, is_warm=machine.is_warm)
    is_eager = eager <= compiled
    times = f"about {eager:.0f} s eager, {compiled:.0f} s compiled, with the start"
    mode = "eager" if is_eager else "compiled"
    choose(f"{mode}: {work.answers:,} answers take {times}", enforce_eager=is_eager)


def lora_slots(adapters: int, *, is_cpu: bool) -> int:
    """Return `max_loras` for this many adapters."""
    return adapters + CPU_SPARE_SLOTS if is_cpu else min(adapters, LORA_SLOTS)


_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_UNKNOWN_MEMORY = 8 << 30  # bytes, where the system does not say


def this_machine(*, is_cpu: bool) -> Machine:
    """Return what vLLM would find here.

    Whether it has kept anything compiled is seen; of which model, it does not say.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        memory = _UNKNOWN_MEMORY
    root = os.environ.get("VLLM_CACHE_ROOT") or Path(
        os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "vllm"
    )
    compiled = Path(root, "torch_compile_cache").glob("*")
    return Machine(is_cpu, cores, memory, any(compiled))


def describe_model(model: ModelDir, dtype: str) -> ModelShape:
    """Return sizes of a model, from its configuration and the headers of its files."""
    inner = model.config.get("text_config")
    config = inner if isinstance(inner, dict) else model.config
    layers, heads = int(config.get("num_hidden_layers", 1)), config.get("num_attention_heads", 1)
    size = config.get("head_dim") or int(config.get("hidden_size", 1)) // int(heads)
    key_heads = config.get("num_key_value_heads") or heads
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    return ModelShape(
        layers=layers,
        parameters=sum(math.prod(tensor.shape) for tensor in model.tensors.values()),
        kv_bytes=2 * layers * int(key_heads) * int(size) * _BYTES.get(dtype, 2),
        context=model.context_length,
        rope=str(rope.get("rope_type", rope.get("type", ""))),
    )
