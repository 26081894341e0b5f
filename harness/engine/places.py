"""The places that a warm engine has for adapters: on a CPU the last one has to stay empty.

With all slots taken, vLLM's CPU kernels answer for the base with an adapter that is in the same
batch (vllm-project/vllm#48421). On a GPU an adapter makes room for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from harness.backends.effect import Effect
from harness.backends.vllm.planning import CPU_SPARE_SLOTS
from harness.engine.home import Home
from harness.engine.loading import loaded
from harness.engine.values import Warm
from harness.errors import HarnessError, MachineryError, Problem

_MIXED_UP = 0.01  # nats per token; 32-bit sums in another order move a token a thousandth of that


def full(warm: Warm, home: Home, wanted: Set[str]) -> str:
    """Why these adapters cannot be added, by their names; empty where they can.

    vLLM forgets the name of an adapter that is unloaded, and leaves it in its slot: each time that
    one was loaded counts for good.
    """
    if not warm.is_cpu:
        return ""
    try:
        there = loaded(warm)
    except HarnessError:
        return "it does not answer"
    ours, places = home.loads(), warm.slots - CPU_SPARE_SLOTS
    taken = len(ours) + len(there.difference(ours))
    if taken + len(wanted - there) <= places:
        return ""
    return f"{taken} of its {places} places for adapters are taken"


def check_apart(warm: Warm, effects: Iterable[Effect]) -> None:
    """Raise `MachineryError` where the base answers with an adapter that is beside it.

    It does so once all slots are taken. Adapters that somebody else loads and unloads take slots,
    and nobody can ask how many.
    """
    for effect in effects:
        if warm.is_cpu and effect.is_missing and effect.noise > _MIXED_UP:
            raise MachineryError(
                Problem(
                    "the warm engine's base does not answer as itself beside adapters",
                    warm.log,
                    found=f"adapter {effect.variant}: {effect.sentence}",
                    mend="harness engine down, and harness engine up: adapters that were unloaded "
                    "by hand keep their places; or add --no-warm",
                )
            )
