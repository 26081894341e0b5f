"""Does a backend keep the rules of `Backend`? For the tests of third-party backends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from harness.backends.base import Address, Backend, BackendOptions, Request, adopt
from harness.common import Message, Sampling, Variant

NEW_TOKENS = 16
TEXTS = ("Say hello.", "Count to three.", "What is the capital of France?")
FINISHED = ("stop", "length", "error")

Opener = Callable[[BackendOptions], Any]  # what it returns is adopted


def check_backend(opener: Opener, options: BackendOptions) -> tuple[str, ...]:
    """Return the rules that a backend breaks, in sentences; none for one that keeps them all.

    It is opened twice with these options, and asked a few short questions for each of their
    variants. What cannot be seen from outside (that nothing but the fingerprint's files decides
    the answers, say) is not checked.
    """
    first, second = adopt(opener(options)), adopt(opener(options))
    found: list[str] = []
    for variant in options.variants:
        if first.environment(variant) != second.environment(variant):
            found.append("environment: two backends opened alike say different things")
        if first.fingerprint(variant) != second.fingerprint(variant):
            found.append("fingerprint: two backends opened alike say different things")
        one, other = (backend.prompt(_messages(TEXTS[0]), variant) for backend in (first, second))
        if one != other:
            found.append("prompt: the same messages give different prompts")
        if one.tokens < 1:
            found.append("prompt: it has no tokens")
        if one.token_ids is None and not one.estimated:
            found.append(
                "prompt: without token ids the number of tokens is an estimate, and does not say so"
            )
        if one.token_ids is not None and len(one.token_ids) != one.tokens:
            found.append("prompt: tokens is not the number of token ids")
    for variant in options.variants:
        found += _answering(first, second, variant)
    for backend in (first, second):
        backend.close()
        backend.close()  # a run that ends badly may close twice
    return tuple(dict.fromkeys(found))


def _answering(first: Backend, second: Backend, variant: Variant) -> Iterator[str]:
    """Yield the rules that its answers break."""
    before = first.environment(variant), first.fingerprint(variant)
    requests = [_request(first, variant, number) for number in range(len(TEXTS))]
    together = list(first.generate(requests))
    counts = Counter(request.key for request, _ in together)
    if set(counts) != {request.key for request in requests}:
        yield "generate: not every request is answered, or others are"
    if any(count > 1 for count in counts.values()):
        yield "generate: a request is answered twice"
    for _, completion in together:
        if completion.finish_reason not in FINISHED:
            yield f"completion: finish_reason is none of {', '.join(FINISHED)}"
        if bool(completion.error) != (completion.finish_reason == "error"):
            yield 'completion: `error` and finish_reason "error" do not go together'
        if completion.error:
            yield f"generate: a plain question is not answered: {completion.error}"
        if completion.completion_tokens > NEW_TOKENS:
            yield "generate: an answer is longer than max_new_tokens"
    alone = [pair for request in requests for pair in second.generate([request])]
    if {r.key: c.text for r, c in together} != {r.key: c.text for r, c in alone}:
        yield "generate: at temperature 0 an answer depends on what else is asked, or on chance"
    if (room := first.context_length) is not None:
        # A prompt beyond the context is refused by itself; its neighbour is answered.
        fits = _request(first, variant, 0)
        long = first.prompt(_messages("word " * (room + 1)), variant)
        beyond = replace(fits, key=f"{fits.key}-long", prompt=long)
        answers = {request.key: done for request, done in first.generate([beyond, fits])}
        if beyond.key not in answers or not answers[beyond.key].error:
            yield "generate: a prompt beyond the context is no completion with an error"
        if fits.key not in answers or answers[fits.key].error:
            yield "generate: a request suffers from one that cannot be answered"
    if before != (first.environment(variant), first.fingerprint(variant)):
        yield "environment or fingerprint: they are others once something was generated"


def _request(backend: Backend, variant: Variant, number: int) -> Request:
    prompt = backend.prompt(_messages(TEXTS[number]), variant)
    sampling = Sampling(max_new_tokens=NEW_TOKENS)
    address = Address(f"case-{number}", variant.name)
    return Request(f"{variant.name}-{number}", address, variant, prompt, sampling)


def _messages(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)
