"""A third-party backend that starts at once and answers what it was asked, or does as it is told.

What it is told is a word of the last message: `poison` kills its process, `broken` breaks it, `who`
is answered with the number of its process. The
engine argument `delay` is in seconds for each answer, `gpus` what it takes, `pids` a folder where a
process that answers leaves its number; STEADY_VERSION in its environment is its version. A rubric
is answered as a judge would.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.backends import (
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Request,
    models_are,
)
from harness.common import InputError, MachineryError, Problem, Variant


class SteadyBackend(Backend):
    """Holds a model that is a directory with anything in it."""

    name = "steady"
    holds_weights = True

    def __init__(self, options: BackendOptions) -> None:
        self._delay = float(options.engine_args.get("delay", 0.0))
        self._pids = options.engine_args.get("pids")
        self._gpus = int(options.engine_args.get("gpus", 0))
        for variant in options.variants:
            if not os.path.isdir(variant.model):
                raise InputError(Problem("no model is there", variant.model))

    @property
    def gpus(self) -> int:
        """Say what it was told to take."""
        return self._gpus

    def environment(self, variant: Variant) -> Environment:
        """Depend on a variable of the process."""
        return Environment("steady", os.environ.get("STEADY_VERSION", "1"))

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Take the name for the content."""
        return Fingerprint(os.path.basename(variant.model), variant.adapter or "")

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer one after the other."""
        if self._pids:
            Path(self._pids, str(os.getpid())).touch()
        for request in requests:
            said = request.prompt.messages[-1].content
            if "poison" in said:
                os.kill(os.getpid(), signal.SIGKILL)
            if "broken" in said:
                raise MachineryError(Problem("the engine cannot start", found="no memory"))
            time.sleep(self._delay)
            text = "Rating: 5" if "Rubric for the answer" in said else f"You said: {said}"
            if "who" in said:
                text = str(os.getpid())
            yield request, Completion(text, "stop", 1, 1)


@models_are("directories", options=())
def open_steady(options: BackendOptions) -> SteadyBackend:
    """Open it; nothing is loaded."""
    return SteadyBackend(options)
