"""Does an engine keep the rules of `Backend`? For the tests of third-party engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from harness.backends.base import Address, Backend, BackendOptions, Completion, Prompt, Request
from harness.common import Message, Sampling, Variant

NEW_TOKENS = 16
TEXTS = ("Say hello.", "Count to three.", "What is the capital of France?")
FINISHED = ("stop", "length", "error")

Opener = Callable[[BackendOptions], Backend]


def check_backend(opener: Opener, options: BackendOptions) -> tuple[str, ...]:
    """The rules that an engine breaks, in sentences; none for one that keeps them all.

    It is opened twice with these options, and asked a few short questions for each of their
    variants. What cannot be seen from outside (that nothing but the fingerprint's files decides
    the answers, say) is not checked.
    """
    first, second = opener(options), opener(options)
    found = [*_planning(first, second, options.variants)]
    for variant in options.variants:
        found += _answering(first, second, variant)
    for backend in (first, second):
        backend.close()
        backend.close()  # a run that ends badly may close twice
    return tuple(dict.fromkeys(found))


def _planning(first: Backend, second: Backend, variants: Sequence[Variant]) -> Iterator[str]:
    for variant in variants:
        if first.environment(variant) != second.environment(variant):
            yield "environment: two engines opened alike say different things"
        if first.fingerprint(variant) != second.fingerprint(variant):
            yield "fingerprint: two engines opened alike say different things"
        one, other = (backend.prompt(_messages(TEXTS[0]), variant) for backend in (first, second))
        if one != other:
            yield "prompt: the same messages give different prompts"
        yield from _prompt(one)


def _prompt(prompt: Prompt) -> Iterator[str]:
    if prompt.tokens < 1:
        yield "prompt: it has no tokens"
    if prompt.token_ids is None and not prompt.estimated:
        yield "prompt: without token ids the number of tokens is an estimate, and does not say so"
    if prompt.token_ids is not None and len(prompt.token_ids) != prompt.tokens:
        yield "prompt: tokens is not the number of token ids"


def _answering(first: Backend, second: Backend, variant: Variant) -> Iterator[str]:
    before = first.environment(variant), first.fingerprint(variant)
    requests = [_request(first, variant, number) for number in range(len(TEXTS))]
    together = list(first.generate(requests))
    yield from _each_once(requests, [request for request, _ in together])
    for _, completion in together:
        yield from _completion(completion)
    alone = [pair for request in requests for pair in second.generate([request])]
    if {r.key: c.text for r, c in together} != {r.key: c.text for r, c in alone}:
        yield "generate: at temperature 0 an answer depends on what else is asked, or on chance"
    yield from _too_long(first, variant)
    if before != (first.environment(variant), first.fingerprint(variant)):
        yield "environment or fingerprint: they are others once something was generated"


def _each_once(asked: Sequence[Request], answered: Sequence[Request]) -> Iterator[str]:
    counts = Counter(request.key for request in answered)
    if set(counts) != {request.key for request in asked}:
        yield "generate: not every request is answered, or others are"
    if any(count > 1 for count in counts.values()):
        yield "generate: a request is answered twice"


def _completion(completion: Completion) -> Iterator[str]:
    if completion.finish_reason not in FINISHED:
        yield f"completion: finish_reason is none of {', '.join(FINISHED)}"
    if bool(completion.error) != (completion.finish_reason == "error"):
        yield 'completion: `error` and finish_reason "error" do not go together'
    if completion.error:
        yield f"generate: a plain question is not answered: {completion.error}"
    if completion.completion_tokens > NEW_TOKENS:
        yield "generate: an answer is longer than max_new_tokens"


def _too_long(backend: Backend, variant: Variant) -> Iterator[str]:
    """A prompt beyond the context is refused by itself; its neighbour is answered."""
    room = backend.context_length
    if room is None:
        return
    fits = _request(backend, variant, 0)
    long = backend.prompt(_messages("word " * (room + 1)), variant)
    beyond = replace(fits, key=f"{fits.key}-long", prompt=long)
    answers = {request.key: done for request, done in backend.generate([beyond, fits])}
    if beyond.key not in answers or not answers[beyond.key].error:
        yield "generate: a prompt beyond the context is no completion with an error"
    if fits.key not in answers or answers[fits.key].error:
        yield "generate: a request suffers from one that cannot be answered"


def _request(backend: Backend, variant: Variant, number: int) -> Request:
    prompt = backend.prompt(_messages(TEXTS[number]), variant)
    sampling = Sampling(max_new_tokens=NEW_TOKENS)
    address = Address(f"case-{number}", variant.name)
    return Request(f"{variant.name}-{number}", address, variant, prompt, sampling)


def _messages(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)
