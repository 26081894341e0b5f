"""Requests and answers as JSON: chat completions, and vLLM's completions of token ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.backends.base import Completion, Request, estimate_tokens
from harness.backends.effect import PROBES, Effect, judge_effect, unchecked
from harness.backends.openai.arguments import TEMPLATE_ARGS, Endpoint
from harness.backends.openai.replies import AGAIN_LATER, CallError
from harness.backends.openai.request_pool import Call, Reply, RequestPool
from harness.backends.openai.server import VLLM
from harness.common import (
    HarnessError,
    MachineryError,
    Messages,
    Problem,
    Sampling,
    ToolCall,
    as_dicts,
)

# So many requests failed one after the other, each after all its retries: the server is broken.
IN_A_ROW = 20

Written = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server is spoken to.

    write: path and body of a request. read: the completion in the JSON that came back, after so
    many seconds. explain: the error that ends the run, or None where one answer is lost.
    """

    write: Callable[[Request], Written]
    read: Callable[[Mapping[str, Any], Request, float], Completion]
    explain: Callable[[CallError, Request], HarnessError | None]


def answers(
    endpoint: Endpoint, requests: Sequence[Request], dialect: Dialect
) -> Iterator[tuple[Request, Completion]]:
    """Yield each answer as it arrives.

    Raises `MachineryError` where the server is gone or keeps failing, and `InputError` for what no
    request of this run can be answered with; what had arrived by then is handed on first.
    """
    calls = []
    for number, request in enumerate(requests):
        limit = request.time_limit
        timeout = endpoint.timeout if limit is None else min(limit, endpoint.timeout)
        calls.append(Call(number, *dialect.write(request), timeout))

    def completion(reply: Reply) -> Completion:
        if reply.value is None:
            return Completion("", "error", error=str(reply.error))
        return dialect.read(reply.value, requests[reply.call.number], reply.seconds)

    pool = RequestPool(endpoint, calls)
    failed = 0
    try:
        for reply in pool:
            request = requests[reply.call.number]
            failure = dialect.explain(reply.error, request) if reply.error else None
            failed = failed + 1 if reply.error else 0
            if failed == IN_A_ROW and failure is None and len(requests) > IN_A_ROW:
                failure = MachineryError(
                    Problem(
                        f"the server at {endpoint.url} does not work: {IN_A_ROW} requests failed "
                        "in a row",
                        found=str(reply.error),
                        hint=f"look into its log, and {AGAIN_LATER}",
                    )
                )
            if failure is not None:
                for last in pool.stop():  # those that failed are asked again by the next run
                    if last.value is not None:
                        yield requests[last.call.number], completion(last)
                raise failure
            yield request, completion(reply)
    finally:
        pool.stop()


# How a probe is written for the server's model of this name.
Probe = Callable[[Messages, str], Written]
TOP = 5  # the most that every server gives: OpenAI's completions and llama.cpp's default
_SECONDS = 120.0  # the first request after a start may have to load an adapter


def measure(
    endpoint: Endpoint, base: str, adapters: Mapping[str, str], probe: Probe
) -> dict[str, Effect]:
    """Measure the effect of each adapter, by the variant's name.

    base: the base's name on the server; adapters: the adapters', by variant.
    """
    alone = _scores(endpoint, [(base, messages) for messages in PROBES], probe)
    if not any(alone):
        reason = "the server gives no log-probabilities"
        return {variant: unchecked(variant, reason) for variant in adapters}
    names = [base, *adapters.values()]
    mixed = _scores(endpoint, [(name, messages) for name in names for messages in PROBES], probe)
    parts = [alone, *(mixed[i : i + len(PROBES)] for i in range(0, len(mixed), len(PROBES)))]
    base_scores, again, *adapted = [
        {(number, at): value for number, score in enumerate(part) for at, value in score.items()}
        for part in parts
    ]
    return {
        variant: judge_effect(variant, base_scores, again, scores)
        for variant, scores in zip(adapters, adapted, strict=True)
    }


def _scores(
    endpoint: Endpoint, asked: Sequence[tuple[str, Messages]], probe: Probe
) -> list[Mapping[int | str, float]]:
    """Return scores by position in the prompt or by text of the next token, for each that is asked.

    Empty where the server gave none.
    """
    calls = [Call(n, *probe(messages, name), _SECONDS) for n, (name, messages) in enumerate(asked)]
    found: dict[int, Mapping[int | str, float]] = {}
    pool = RequestPool(endpoint, calls)
    try:
        for reply in pool:
            try:
                value: Any = reply.value
                choice = value["choices"][0]
                # vLLM: one mapping for each token but the first, with the token itself in it.
                rows = choice.get("prompt_logprobs") or value.get("prompt_logprobs")
                if rows:
                    scores: dict[int | str, float] = {
                        place: float(next(iter(row.values()))["logprob"])
                        for place, row in enumerate(rows)
                        if row
                    }
                else:
                    top = choice["logprobs"]["content"][0]["top_logprobs"]
                    scores = {str(row["token"]): float(row["logprob"]) for row in top}
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                scores = {}  # another shape, or no answer: no log-probabilities
            found[reply.call.number] = scores
    finally:
        pool.stop()
    return [found[number] for number in range(len(calls))]


CHAT, COMPLETIONS = "/chat/completions", "/completions"
# Sampling that is no part of OpenAI's own API, by program: its names for ours, and what it must be
# told so that nothing comes from a model's generation_config.json (vLLM, SGLang) or from defaults
# of its own (llama.cpp draws with top_k 40 and min_p 0.05).
_EXTENSIONS: dict[str, tuple[str, str, dict[str, float]]] = {
    VLLM: ("top_k", "repetition_penalty", {"min_p": 0.0}),
    "sglang": ("top_k", "repetition_penalty", {"min_p": 0.0}),
    "llama.cpp": ("top_k", "repeat_penalty", {"min_p": 0.0}),
}
_OFF = {"sglang": -1}  # top_k that keeps all tokens, where it is not 0
_ONE = {"temperature": 0.0, "max_tokens": 1, "seed": 0, "stream": False}
_ENDS = {"stop": "stop", "eos": "stop", "eos_token": "stop", "stop_sequence": "stop"}
_ENDS |= {"length": "length"}
_ODD_ENDS = {
    "content_filter": "the server's content filter held the answer back",
    "tool_calls": "the model called a tool instead of answering",
    "function_call": "the model called a tool instead of answering",
    "abort": "the server gave the request up",
    None: "the server does not say why the answer ended",
}


def chat_body(
    request: Request, model: str, endpoint: Endpoint, program: str = ""
) -> dict[str, Any]:
    """Write a chat completion: the server renders the prompt."""
    body = {
        "model": model,
        "messages": as_dicts(request.prompt.messages, written=True),
        **_sampling(request.sampling, endpoint, program),
    }
    if request.rendering.tools:
        body["tools"] = [dict(tool) for tool in request.rendering.tools]
        choice = request.rendering.tool_choice
        if choice in ("none", "required"):
            body["tool_choice"] = choice
        elif choice != "auto":
            body["tool_choice"] = {"type": "function", "function": {"name": choice}}
    if request.prompt.messages[-1].role == "assistant":  # the beginning of the answer
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    schema = request.json_schema
    if isinstance(schema, bool) or schema in ({}, {"type": "object"}):
        body["response_format"] = {"type": "json_object"}
    elif schema is not None:
        named = {"name": "answer", "schema": dict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    body |= dict(endpoint.body)
    if arguments := endpoint.template_args(request.rendering.template_args):
        body[TEMPLATE_ARGS] = arguments
    return body


def token_body(request: Request, model: str, endpoint: Endpoint) -> dict[str, Any]:
    """Write a completion of token ids, as vLLM takes them; it knows which tokens end it."""
    body = {
        "model": model,
        "prompt": list(request.prompt.token_ids or ()),
        **_sampling(request.sampling, endpoint, VLLM),
    }
    if request.json_schema is not None:
        body["structured_outputs"] = {"json": request.json_schema}
    if request.keeps_special:
        body["skip_special_tokens"] = False
    return body | {name: said for name, said in endpoint.body.items() if name != TEMPLATE_ARGS}


def chat_probe(messages: Messages, model: str, program: str) -> dict[str, Any]:
    """Write a chat completion of one token, with the log-probabilities that the server can give."""
    body = {"model": model, "messages": as_dicts(messages), **_ONE}
    wanted = {"prompt_logprobs": 0} if program == VLLM else {"logprobs": True, "top_logprobs": TOP}
    return {**body, **wanted}


def token_probe(token_ids: tuple[int, ...], model: str) -> dict[str, Any]:
    """Write the same of token ids: vLLM scores each of them."""
    return {"model": model, "prompt": list(token_ids), "prompt_logprobs": 0, **_ONE}


def read_answer(value: Mapping[str, Any], request: Request, seconds: float) -> Completion:
    """Return the answer in a server's JSON; an error completion where it is none."""
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return Completion("", "error", error="the server's JSON holds no answer")
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    reasoning = ""
    if isinstance(message, dict):
        text, inside = _parts(text)
        # vLLM, Ollama and OpenRouter give the first; SGLang, llama.cpp and DeepSeek the second.
        named = (message.get(name) for name in ("reasoning", "reasoning_content"))
        reasoning = next((each for each in named if isinstance(each, str) and each), inside)
        reasoning = reasoning.encode("utf-8", "replace").decode()
    said = choice.get("finish_reason")
    end = _ENDS.get(said) if isinstance(said, str) else None
    told = message.get("tool_calls") if isinstance(message, dict) else None
    calls: tuple[ToolCall, ...] = ()
    if request.rendering.tools and isinstance(told, list):
        calls = tuple(ToolCall.read(call) for call in told)
    if said == "tool_calls" and calls:
        end = "stop"
    if end is None:
        odd = f"the server ended the answer for a reason that is not known: {str(said)[:40]!r}"
        error = _ODD_ENDS.get(said, odd) if isinstance(said, str | None) else odd
        return Completion("", "error", error=error)
    if text is None and isinstance(message, dict):
        text = ""  # all of it was reasoning, which servers hand out apart
    if not isinstance(text, str):
        return Completion("", "error", error="the server's JSON holds no answer")
    text = text.encode("utf-8", "replace").decode()  # JSON can hold halves of characters
    usage = value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    estimate = estimate_tokens(text) + estimate_tokens(reasoning)
    tokens = _count(counts.get("completion_tokens"), estimate)
    details = counts.get("completion_tokens_details")
    thought = _count(details.get("reasoning_tokens"), 0) if isinstance(details, dict) else 0
    # vLLM says "tool_calls" also of an answer that was cut off.
    if said == "tool_calls" and tokens >= request.sampling.max_new_tokens:
        end = "length"
    return Completion(
        text,
        end,
        prompt_tokens=_count(counts.get("prompt_tokens"), request.prompt.tokens),
        completion_tokens=tokens,
        seconds=seconds,
        tool_calls=calls,
        reasoning=reasoning,
        # Some say 0 of reasoning that they give (vLLM's deepseek_r1, where the prompt opened it).
        reasoning_tokens=thought or None,
        counted=_is_count(counts.get("completion_tokens"))
        and _is_count(counts.get("prompt_tokens")),
    )


def _parts(content: Any) -> tuple[Any, str]:
    """Return the text and the reasoning of a content in parts, as Mistral's API gives it.

    Anything else is returned as it is.
    """
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return content, ""
    texts = [part.get("text") for part in content if part.get("type") == "text"]
    thoughts = [part.get("thinking") for part in content if part.get("type") == "thinking"]
    inner = [
        p.get("text") for t in thoughts if isinstance(t, list) for p in t if isinstance(p, dict)
    ]
    inner += [thought for thought in thoughts if isinstance(thought, str)]
    said = "".join(text for text in texts if isinstance(text, str))
    return said, "".join(text for text in inner if isinstance(text, str))


def _sampling(sampling: Sampling, endpoint: Endpoint, program: str) -> dict[str, Any]:
    """Write every setting that the server takes, none left to its defaults."""
    fields: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "max_tokens": sampling.max_new_tokens,
        "stream": False,
    }
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    if program in _EXTENSIONS:
        top_k, penalty, more = _EXTENSIONS[program]
        off = _OFF.get(program, 0)
        fields |= {top_k: sampling.top_k or off, penalty: sampling.repetition_penalty, **more}
    else:
        if sampling.top_k:
            fields["top_k"] = sampling.top_k
        if sampling.repetition_penalty != 1.0:
            fields["repetition_penalty"] = sampling.repetition_penalty
    if (limit := sampling.max_reasoning_tokens) is not None:
        fields |= (
            {"thinking_token_budget": limit}
            if program == VLLM
            else {"reasoning": {"max_tokens": limit}}
        )
    kept = {name: value for name, value in fields.items() if name not in endpoint.omit}
    if endpoint.limit_field not in kept and "max_tokens" in kept:
        kept[endpoint.limit_field] = kept.pop("max_tokens")
    return kept


def _count(value: Any, otherwise: int) -> int:
    """Return a count of tokens that the server gave, if it is one."""
    return int(value) if _is_count(value) else otherwise


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
