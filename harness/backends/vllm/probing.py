"""The effect of adapters on a started engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.backends.effect import Effect, LogProbs, judge_effect

if TYPE_CHECKING:  # which imports vLLM
    from harness.backends.vllm.engine import Adapter, Engine


def measure_effects(
    engine: Engine, probes: Sequence[Sequence[int]], adapters: Mapping[str, Adapter]
) -> list[Effect]:
    """The effect of each adapter, by the name of its variant, on the tokens of the probes.

    The base is measured alone, and again in one batch with all adapters: so its own noise is that
    of other batches, and an engine that mixes up whose row is whose is found out too.
    """
    base = _together(engine.score([(ids, None) for ids in probes]))
    who = [None, *adapters.values()]
    scores = engine.score([(ids, adapter) for adapter in who for ids in probes])
    size = len(probes)
    again, *adapted = (_together(scores[i : i + size]) for i in range(0, len(scores), size))
    return [
        judge_effect(variant, base, again, scored)
        for variant, scored in zip(adapters, adapted, strict=True)
    ]


def _together(scores: Sequence[LogProbs]) -> LogProbs:
    """Scores of several prompts, each under its place in this list."""
    return {
        (number, place): value
        for number, score in enumerate(scores)
        for (_, place), value in score.items()
    }
