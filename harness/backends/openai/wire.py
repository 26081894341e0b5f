"""Requests and answers as JSON: chat completions, and vLLM's completions of token ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.backends.base import Completion, Request, estimate_tokens
from harness.backends.effect import PROBES, Effect, LogProbs, judge_effect, unchecked
from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.replies import CallError
from harness.backends.openai.request_pool import Call, Flight, Reply
from harness.backends.openai.server import VLLM
from harness.common import HarnessError, MachineryError, Messages, Problem, Sampling, as_dicts

# So many requests failed one after the other, each after all its retries: the server is broken.
IN_A_ROW = 20

Written = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tongue:
    """How a server is spoken to.

    write: path and body of a request. read: the completion in the JSON that came back, after so
    many seconds. explain: the error that ends the run, or None where one answer is lost.
    """

    write: Callable[[Request], Written]
    read: Callable[[Mapping[str, Any], Request, float], Completion]
    explain: Callable[[CallError, Request], HarnessError | None]


def answers(
    endpoint: Endpoint, requests: Sequence[Request], tongue: Tongue
) -> Iterator[tuple[Request, Completion]]:
    """Each answer as it arrives.

    Raises `MachineryError` where the server is gone or keeps failing, and `InputError` for what no
    request of this run can be answered with; what had arrived by then is handed on first.
    """
    calls = [_call(n, request, endpoint, tongue) for n, request in enumerate(requests)]
    flight = Flight(endpoint, calls)
    failed = 0
    try:
        for reply in flight:
            request = requests[reply.call.number]
            failure = tongue.explain(reply.error, request) if reply.error else None
            failed = failed + 1 if reply.error else 0
            if failed == IN_A_ROW and reply.error and len(requests) > IN_A_ROW:
                failure = failure or _broken(reply.error, endpoint)
            if failure is not None:
                yield from _whole(flight.stop(), requests, tongue)
                raise failure
            yield request, _completion(reply, request, tongue)
    finally:
        flight.stop()


def _call(number: int, request: Request, endpoint: Endpoint, tongue: Tongue) -> Call:
    limit = request.time_limit
    timeout = endpoint.timeout if limit is None else min(limit, endpoint.timeout)
    return Call(number, *tongue.write(request), timeout)


def _completion(reply: Reply, request: Request, tongue: Tongue) -> Completion:
    if reply.value is None:
        return Completion("", "error", error=str(reply.error))
    return tongue.read(reply.value, request, reply.seconds)


def _whole(
    replies: Sequence[Reply], requests: Sequence[Request], tongue: Tongue
) -> Iterator[tuple[Request, Completion]]:
    """The good ones of the last replies: the others are asked again by the next run."""
    for reply in replies:
        if reply.value is not None:
            request = requests[reply.call.number]
            yield request, _completion(reply, request, tongue)


def _broken(error: CallError, endpoint: Endpoint) -> MachineryError:
    return MachineryError(
        Problem(
            f"the server at {endpoint.url} does not work: {IN_A_ROW} requests failed in a row",
            found=str(error),
            hint="look into its log, and run the same command again: it goes on where this one "
            "stopped",
        )
    )


# How a probe is written for the server's model of this name.
Probe = Callable[[Messages, str], Written]
TOP = 5  # the most that every server gives: OpenAI's completions and llama.cpp's default
_SECONDS = 120.0  # the first request after a start may have to load an adapter


def measure(
    endpoint: Endpoint, base: str, adapters: Mapping[str, str], probe: Probe
) -> dict[str, Effect]:
    """The effect of each adapter, by the variant's name.

    base: the base's name on the server; adapters: the adapters', by variant.
    """
    first = _scores(endpoint, [(base, talk) for talk in PROBES], probe)
    if not any(first):
        reason = "the server gives no log-probabilities"
        return {variant: unchecked(variant, reason) for variant in adapters}
    names = [base, *adapters.values()]
    mixed = _scores(endpoint, [(name, talk) for name in names for talk in PROBES], probe)
    parts = [mixed[i : i + len(PROBES)] for i in range(0, len(mixed), len(PROBES))]
    base_scores, again, *adapted = [_together(part) for part in (first, *parts)]
    return {
        variant: judge_effect(variant, base_scores, again, scores)
        for variant, scores in zip(adapters, adapted, strict=True)
    }


def _scores(
    endpoint: Endpoint, asked: Sequence[tuple[str, Messages]], probe: Probe
) -> list[Mapping[int | str, float]]:
    """By place, for each that is asked; empty where the server gave none."""
    calls = [Call(n, *probe(talk, name), _SECONDS) for n, (name, talk) in enumerate(asked)]
    found: dict[int, Mapping[int | str, float]] = {}
    flight = Flight(endpoint, calls)
    try:
        for reply in flight:
            found[reply.call.number] = _read(reply.value) if reply.value is not None else {}
    finally:
        flight.stop()
    return [found[n] for n in range(len(calls))]


def _read(value: Mapping[str, Any]) -> Mapping[int | str, float]:
    """The scores in a server's JSON, by position in the prompt or by text of the next token."""
    try:
        choice = value["choices"][0]
        rows = choice.get("prompt_logprobs") or value.get("prompt_logprobs")
        if rows:
            return _of_prompt(rows)
        top = choice["logprobs"]["content"][0]["top_logprobs"]
        return {str(row["token"]): float(row["logprob"]) for row in top}
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return {}  # another shape: no log-probabilities


def _of_prompt(rows: Sequence[Any]) -> Mapping[int | str, float]:
    """vLLM: one mapping for each token but the first, with the token itself in it."""
    found: dict[int | str, float] = {}
    for place, row in enumerate(rows):
        if row:
            found[place] = float(next(iter(row.values()))["logprob"])
    return found


def _together(scores: Sequence[Mapping[int | str, float]]) -> LogProbs:
    return {(n, place): value for n, score in enumerate(scores) for place, value in score.items()}


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
