"""End a warm engine."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from harness.engine.home import Home
from harness.engine.values import Warm
from harness.errors import MachineryError, Problem

_PATIENCE = 40.0  # the keeper gives the server 20 s, and then kills it
_LOOK = 0.1


def end(cache_dir: Path) -> Warm | None:
    """End the engine that is there, and wait until its memory is free; None where there was none.

    Only a process that holds the engine's lock is told to stop.
    """
    home = Home(cache_dir)
    warm = home.read()
    if warm is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(warm.keeper, signal.SIGTERM)
    until = time.monotonic() + _PATIENCE
    while home.is_held():
        if time.monotonic() > until:
            raise MachineryError(
                Problem(
                    "the warm engine does not end",
                    found=f"process {warm.keeper}",
                    mend=f"kill -9 {warm.keeper}: its server ends with it",
                )
            )
        time.sleep(_LOOK)
    return warm
