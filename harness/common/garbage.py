"""The garbage collector, kept from looking through values that last, again and again.

Suites, requests and results are many and hold no cycles. On 3,000 cases the collector took a sixth
of `harness run` and a quarter of `pytest suites/`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# New values between two looks, a hundred bytes each. Python's own 700 suit programs that keep
# little; at 20,000 the looks took a twentieth of a run of 10,000 cases.
YOUNG = 200_000


@contextmanager
def no_collection() -> Iterator[None]:
    """Without it: for short work that makes lasting values only."""
    active = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if active:
            gc.enable()


@contextmanager
def rare_collection() -> Iterator[None]:
    """With few looks, and none at what is there already: for work that may take long.

    Not for good: what is set aside, `gc.get_referrers` does not find, and hypothesis asks it.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(YOUNG, before[0]) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
