"""What a user may pass on to vLLM, checked by its own list of arguments before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.backends.vllm.versions import LORA_RANKS, Installed
from harness.errors import Problem, nearest

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

# What the engine hf calls its ways to quantise weights, and what vLLM calls the same.
_OF_HF = {"4bit": "bitsandbytes", "8bit": ""}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value >= 1


_Check = tuple[Callable[[Any], bool], str]
_COUNT: _Check = (_is_count, "a whole number from 1")
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
    """All that is wrong with the names and the values of engine arguments."""
    if not given:
        return  # vLLM's list is long: it is read only where it is needed
    known = {*vllm.arguments, BATCH_INVARIANT}
    for name, value in given.items():
        if name in _OURS:
            mend = f"use {_OURS[name]}" if _OURS[name] else "leave it out"
            yield Problem(f"vllm: engine argument {name!r} is set by the harness", mend=mend)
        elif name not in known:
            yield Problem(
                f"vllm: engine argument {name!r} is not known to vLLM {vllm.version}",
                did_you_mean=nearest(name, known - set(_OURS)),
            )
        elif name == "quantization" and value in _OF_HF:
            yield Problem(
                f"vllm: {name!r} is wrong",
                found=f"{value!r}, as --backend hf has it",
                wanted="a method of vLLM's, such as bitsandbytes, which is four bits, or fp8",
                did_you_mean=_OF_HF[value],
            )
        elif wanted := _unfit(value, _checks(name, vllm)):
            yield Problem(f"vllm: {name!r} is wrong", found=repr(value), wanted=wanted)


def _checks(name: str, vllm: Installed) -> list[_Check]:
    """What the value may be; nothing where that is vLLM's business."""
    if name == BATCH_INVARIANT:
        return [_KINDS["bool"]]
    if name in _PLANNED:
        return [_PLANNED[name]]
    kinds = vllm.arguments[name].split(" | ")
    return [_KINDS[kind] for kind in kinds] if set(kinds) <= set(_KINDS) else []


def _unfit(value: Any, checks: list[_Check]) -> str:
    """What is wanted instead; empty where the value fits one of the checks."""
    if not checks or any(fits(value) for fits, _ in checks):
        return ""
    return " or ".join(wanted for _, wanted in checks)
