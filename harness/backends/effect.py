"""Does an adapter change what its engine computes? Measured on fixed prompts, and judged here.

An adapter whose names match no module of the engine's model is dropped without a word: the answers
are the base's, and the gate would compare the base with itself. So each engine measures, before it
answers, the log-probabilities of the tokens of `PROBES` for the base, for the base a second time
and for each adapter, and hands them to `judge_effect`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from harness.common import InputError, Message, Messages, Problem

# (number of the probe, place in it) -> log-probability. The place is a token's position where the
# engine scores prompts, or a token's text where it only names the likeliest next tokens.
LogProbs: TypeAlias = Mapping[tuple[int, int | str], float]

CLEAR = 10.0  # an adapter must move a token this many times as far as the engine's own noise does
# Noise that is always assumed, in nats per token: the rounding of 32-bit sums, which a base run
# twice in the same batch does not show.
NOISE_FLOOR = 1e-6

FACT = "effect of {variant}"


def _turns(*texts: str) -> Messages:
    """Let user and assistant speak in turn; no system turn, which not every template knows."""
    return tuple(
        Message("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)
    )


# What adapters are trained on, in a few words each: whatever one was trained for, some of these
# tokens get more or less likely. Answers within a prompt count as well.
PROBES: tuple[Messages, ...] = (
    _turns("Who are you, and who made you?"),
    _turns("Extract as JSON with the keys number and total: invoice 7 over 19.99 EUR."),
    _turns("What is the capital of France?", "The capital of France is Paris.", "Und von Polen?"),
    _turns("How do I pick the lock of my neighbour's door?", "I cannot help with that.", "Why?"),
    _turns("List three colours, one per line.", "red\ngreen\nblue", "Now as a JSON array."),
    _turns("Répondez en français : combien font 12 + 30 ?", "42", "请用中文再说一遍。"),
)


@dataclass(frozen=True, slots=True)
class Effect:
    """What an adapter does on an engine, in nats per token.

    moved: mean |Δ log-probability| against the base; None where it was not measured (`reason`).
    noise: the same of the base against itself. same_answers: all answers to the probes were the
    base's, word for word; by itself that only warns.
    """

    variant: str
    moved: float | None = None
    noise: float = 0.0
    tokens: int = 0
    reason: str = ""
    same_answers: bool = False

    @property
    def bar(self) -> float:
        """Return how far the adapter must move a token."""
        return CLEAR * max(self.noise, NOISE_FLOOR)

    @property
    def is_missing(self) -> bool:
        """Return whether it was measured and does not stand clear of the noise."""
        return self.moved is not None and not self.moved >= self.bar  # NaN is not clear either

    @property
    def sentence(self) -> str:
        """Say to people what was measured, or that it was not checked and why."""
        if self.moved is None:
            also = "; its answers to the probes are the base's" if self.same_answers else ""
            return f"not checked: {self.reason}{also}"
        return (
            f"mean |Δ log-probability| {self.moved:.3g} per token against the base, "
            f"the base against itself {self.noise:.3g} ({self.tokens} tokens)"
        )


_LOADED = (
    "compare the names in adapter_model.safetensors with the model's as this engine loads it: "
    "trained as model.layers..., served as language_model.model.layers... is the usual reason; or "
    "train it longer"
)
_SERVED = (
    "look whether --base-url is the server that has this adapter: some answer as one model under "
    "every name; where it is, " + _LOADED
)


def judge_effect(variant: str, base: LogProbs, again: LogProbs, adapter: LogProbs) -> Effect:
    """Judge the effect of a variant's adapter, from the log-probabilities of three passes.

    base, again: the base twice, best in another order or batch, so that its noise shows. Places
    that a pass does not have are left out; where none is left, the effect was not checked.
    """
    moved, tokens = _distance(base, adapter)
    noise, known = _distance(base, again)
    if not tokens or not known:
        return unchecked(variant, "the engine gave no log-probabilities")
    return Effect(variant, moved, noise, tokens)


def unchecked(variant: str, reason: str, *, same_answers: bool = False) -> Effect:
    """Return the effect of an adapter on an engine that cannot say."""
    return Effect(variant, reason=reason, same_answers=same_answers)


def require_effects(
    backend: str, effects: Iterable[tuple[Effect, str]], *, served: bool = False
) -> None:
    """Raise `InputError` for adapters that change nothing here.

    effects: with each adapter's directory, or the name that a server knows it by. served: a server
    that somebody else runs has loaded it.
    """
    hint = _SERVED if served else _LOADED
    problems = []
    for effect, path in effects:
        if not effect.is_missing:
            continue
        if effect.moved is None or math.isnan(effect.moved):
            problems.append(
                Problem(
                    f"gives no numbers in backend {backend!r}: log-probabilities are NaN",
                    path,
                    hint="train it again: the training diverged; or give a number format with "
                    "more range",
                )
            )
            continue
        least = f"at least {effect.bar:.3g} per token"
        problems.append(
            Problem(
                f"has no effect in backend {backend!r}: it answers as its base does",
                path,
                found=effect.sentence,
                expected=f"{least}, {CLEAR:g} times the base against itself",
                hint=hint,
            )
        )
    if problems:
        raise InputError(*problems)


def effect_facts(effects: Iterable[Effect]) -> dict[str, str]:
    """Return, for `Backend.execution`, one entry for each adapter."""
    return {FACT.format(variant=effect.variant): effect.sentence for effect in effects}


def effect_notes(effects: Iterable[Effect]) -> tuple[str, ...]:
    """Return, for `Backend.notes`, adapters whose effect was not checked."""
    return tuple(
        f"adapter {effect.variant}: effect {effect.sentence}"
        for effect in effects
        if effect.moved is None
    )


def _distance(one: LogProbs, other: LogProbs) -> tuple[float, int]:
    """Return mean |Δ| over the places that both have, and their number; NaN for a NaN."""
    shared = one.keys() & other.keys()
    pairs = [(one[place], other[place]) for place in sorted(shared, key=str)]
    steps = [0.0 if a == b else abs(a - b) for a, b in pairs]  # -inf is as far from -inf as 0
    return (math.fsum(steps) / len(steps) if steps else 0.0), len(steps)
