"""Does an adapter change what a server answers? Measured with the log-probabilities it gives.

vLLM scores the tokens of a prompt. Other servers name the likeliest first tokens of an answer, and
those are compared; one that does neither is not checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.backends.effect import PROBES, Effect, LogProbs, judge_effect, unchecked
from harness.backends.openai.answers import Written
from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.flight import Call, Flight
from harness.chat import Messages

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
