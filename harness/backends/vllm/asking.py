"""Requests as vLLM takes them, and the work that they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.backends.values import Request
from harness.backends.vllm.planning import Work, shared_prefixes
from harness.sampling import Sampling


def in_order(requests: Sequence[Request]) -> list[Request]:
    """One variant after the other, prompts that begin alike together.

    Measured on one H200: five variants one after another take 55.6 s, mixed 57.3 s.
    """
    return sorted(requests, key=lambda r: (r.variant.adapter or "", r.prompt.token_ids or ()))


def work_of(requests: Sequence[Request], expected: int) -> Work:
    """The work of a run that wants `expected` answers, of which these are the first."""
    answers = max(expected, len(requests))
    each = answers / len(requests)
    names = dict.fromkeys(request.variant.name for request in requests)
    shares = [shared_prefixes(_prompts(requests, name)) for name in names]
    return Work(
        answers,
        base_tokens=round(each * _tokens(requests, is_tuned=False)),
        adapter_tokens=round(each * _tokens(requests, is_tuned=True)),
        longest=longest(requests),
        shared=sum(shares) / len(shares),
    )


def longest(requests: Sequence[Request]) -> int:
    """Most tokens of a prompt and its answer."""
    return max(request.prompt.tokens + request.sampling.max_new_tokens for request in requests)


def sampling_fields(sampling: Sampling, eos: Sequence[int]) -> dict[str, Any]:
    """All that vLLM draws tokens by, each field said, with the tokens that end an answer."""
    is_greedy = sampling.temperature == 0
    return {
        "n": 1,
        "temperature": sampling.temperature,
        "top_p": 1.0 if is_greedy else sampling.top_p,
        "top_k": 0 if is_greedy else sampling.top_k,
        "min_p": 0.0,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "max_tokens": sampling.max_new_tokens,
        "min_tokens": 0,
        "seed": None if is_greedy else sampling.seed,
        "stop": list(sampling.stop) or None,
        "stop_token_ids": list(eos),
        "ignore_eos": False,
        "detokenize": bool(sampling.stop),  # else the caller decodes
        "skip_special_tokens": True,
        "include_stop_str_in_output": False,
    }


def _prompts(requests: Sequence[Request], variant: str) -> list[tuple[int, ...]]:
    return [r.prompt.token_ids or () for r in requests if r.variant.name == variant]


def _tokens(requests: Sequence[Request], *, is_tuned: bool) -> int:
    """Tokens that may be generated, with adapters or without."""
    mine = [request for request in requests if bool(request.variant.adapter) == is_tuned]
    return sum(request.sampling.max_new_tokens for request in mine)
