"""The order of the samples in an epoch: steps of similar lengths, in random order."""

from __future__ import annotations

import random
from collections.abc import Sequence

STEPS_AT_ONCE = 50  # so many steps of samples are sorted together
JITTER = 0.2  # lengths are blurred by so much, or the same samples would always meet


def epoch_order(lengths: Sequence[int], batch: int, seed: int, epoch: int) -> list[int]:
    """Indices of all samples; each `batch` of them in a row makes one step.

    Samples of a step have similar lengths, longest first, so that little is padded; steps come in
    random order, those of the first epoch with the longest sample at the front, where memory runs
    out at once if it does. The same arguments give the same order.
    """
    rng = random.Random(f"{seed}/{epoch}")
    mixed = rng.sample(range(len(lengths)), len(lengths))
    blurred = [length * (1 + JITTER * rng.random()) for length in lengths]
    steps: list[list[int]] = []
    for start in range(0, len(mixed), batch * STEPS_AT_ONCE):
        near = sorted(mixed[start : start + batch * STEPS_AT_ONCE], key=blurred.__getitem__)
        steps += [near[at : at + batch] for at in range(0, len(near), batch)]
    full = [step for step in steps if len(step) == batch]
    rest = [step for step in steps if len(step) < batch]  # at most one: the shorter step is last
    rng.shuffle(full)
    if epoch == 0 and full:
        full.sort(key=lambda step: -max(lengths[index] for index in step))
        full[1:] = rng.sample(full[1:], len(full) - 1)
    ordered = (sorted(step, key=lambda index: -lengths[index]) for step in full + rest)
    return [index for step in ordered for index in step]
