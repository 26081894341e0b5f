"""Requests and answers as JSON: chat completions, and vLLM's completions of token ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.effects import TOP
from harness.backends.openai.server import VLLM
from harness.backends.plain import estimate_tokens
from harness.backends.values import Completion, Request
from harness.chat import Messages, as_dicts
from harness.sampling import Sampling

CHAT, COMPLETIONS = "/chat/completions", "/completions"
# Sampling that is no part of OpenAI's own API, by program: its names for ours, and what it must be
# told so that nothing comes from a model's generation_config.json (vLLM, SGLang) or from defaults
# of its own (llama.cpp draws with top_k 40 and min_p 0.05).
_DIALECTS: dict[str, tuple[str, str, dict[str, float]]] = {
    VLLM: ("top_k", "repetition_penalty", {"min_p": 0.0}),
    "sglang": ("top_k", "repetition_penalty", {"min_p": 0.0}),
    "llama.cpp": ("top_k", "repeat_penalty", {"min_p": 0.0}),
}
_OFF = {"sglang": -1}  # top_k that keeps all tokens, where it is not 0
_ONE = {"temperature": 0.0, "max_tokens": 1, "seed": 0, "stream": False}
_ENDS = {"stop": "stop", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop"}
_ENDS |= {"length": "length"}


def chat_body(
    request: Request, model: str, endpoint: Endpoint, program: str = ""
) -> dict[str, Any]:
    """A chat completion: the server renders the prompt."""
    body = {
        "model": model,
        "messages": as_dicts(request.prompt.messages),
        **_sampling(request.sampling, endpoint, program),
    }
    if request.json_schema is not None:
        body["response_format"] = _response_format(request.json_schema)
    return body | dict(endpoint.body)


def token_body(request: Request, model: str, endpoint: Endpoint) -> dict[str, Any]:
    """A completion of token ids, as vLLM takes them; which tokens end it, the server knows."""
    body = {
        "model": model,
        "prompt": list(request.prompt.token_ids or ()),
        **_sampling(request.sampling, endpoint, VLLM),
    }
    if request.json_schema is not None:
        body["structured_outputs"] = {"json": request.json_schema}
    return body | dict(endpoint.body)


def chat_probe(talk: Messages, model: str, program: str) -> dict[str, Any]:
    """A chat completion of one token, with the log-probabilities that the server can give."""
    body = {"model": model, "messages": as_dicts(talk), **_ONE}
    wanted = {"prompt_logprobs": 0} if program == VLLM else {"logprobs": True, "top_logprobs": TOP}
    return {**body, **wanted}


def token_probe(token_ids: tuple[int, ...], model: str) -> dict[str, Any]:
    """The same of token ids: vLLM scores each of them."""
    return {"model": model, "prompt": list(token_ids), "prompt_logprobs": 0, **_ONE}


def read_answer(value: Mapping[str, Any], request: Request, seconds: float) -> Completion:
    """The answer in a server's JSON; an error completion where it is none."""
    choice = _first(value.get("choices"))
    if choice is None:
        return _no_answer("the server's JSON holds no answer")
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    said = choice.get("finish_reason")
    end = _ENDS.get(said) if isinstance(said, str) else None
    if end is None:
        return _no_answer(_odd_end(said))
    if text is None and isinstance(message, dict):
        text = ""  # all of it was reasoning, which servers hand out apart
    if not isinstance(text, str):
        return _no_answer("the server's JSON holds no answer")
    text = text.encode("utf-8", "replace").decode()  # JSON can hold halves of characters
    usage = value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Completion(
        text,
        end,
        prompt_tokens=_count(counts.get("prompt_tokens"), request.prompt.tokens),
        completion_tokens=_count(counts.get("completion_tokens"), estimate_tokens(text)),
        seconds=seconds,
    )


def _sampling(sampling: Sampling, endpoint: Endpoint, program: str) -> dict[str, Any]:
    """Every setting that the server takes, none left to its defaults."""
    fields: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "max_tokens": sampling.max_new_tokens,
        "stream": False,
    }
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    fields |= _extensions(sampling, program)
    kept = {name: value for name, value in fields.items() if name not in endpoint.omit}
    if endpoint.limit_field not in kept and "max_tokens" in kept:
        kept[endpoint.limit_field] = kept.pop("max_tokens")
    return kept


def _extensions(sampling: Sampling, program: str) -> dict[str, float]:
    if program in _DIALECTS:
        top_k, penalty, more = _DIALECTS[program]
        off = _OFF.get(program, 0)
        return {top_k: sampling.top_k or off, penalty: sampling.repetition_penalty, **more}
    fields: dict[str, float] = {}
    if sampling.top_k:
        fields["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1.0:
        fields["repetition_penalty"] = sampling.repetition_penalty
    return fields


def _response_format(schema: Mapping[str, Any] | bool) -> dict[str, Any]:
    if isinstance(schema, bool) or schema in ({}, {"type": "object"}):
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": dict(schema)}}


def _first(choices: Any) -> dict[str, Any] | None:
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def _odd_end(reason: Any) -> str:
    known = {
        "content_filter": "the server's content filter held the answer back",
        "tool_calls": "the model called a tool instead of answering",
        "function_call": "the model called a tool instead of answering",
        "abort": "the server gave the request up",
        None: "the server does not say why the answer ended",
    }
    odd = f"the server ended the answer for a reason that is not known: {str(reason)[:40]!r}"
    return known.get(reason, odd) if isinstance(reason, str | None) else odd


def _no_answer(error: str) -> Completion:
    return Completion("", "error", error=error)


def _count(value: Any, otherwise: int) -> int:
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return int(value) if good else otherwise
