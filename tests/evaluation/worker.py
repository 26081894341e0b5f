"""A run in a process of its own, to be killed, starved or locked out.

    python -m tests.evaluation.worker STORE RUN CASES DELAY [--model DIR --adapter DIR]
                                  [--limit BYTES] [--unprivileged]

Answers come from echo, which waits DELAY seconds before each, or from a model in fp32, four
prompts at a time. What is reported as done is printed
as it is reported: one line `done CASE` for each result, one line `answers N` for each commit.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from harness.backends import Backend, BackendOptions, open_backend
from harness.common import HarnessError, Sampling, Variant
from harness.evaluation import Plan, execute, make_plan
from harness.results import Completed, Event, Scored
from harness.store import Store
from tests.evaluation.worlds import BASE, TUNED, case, record, suite

NOBODY = 65534
PAIR = (BASE, TUNED)


def engine(delay: float = 0.0) -> Backend:
    """echo, with a delay before each answer."""
    return open_backend("echo", BackendOptions(engine_args={"delay": delay}))


def model_engine(variants: Sequence[Variant]) -> Backend:
    """transformers, in small batches, so that answers arrive often."""
    arguments = {"rows": 4, "threads": 1}
    options = BackendOptions(tuple(variants), "cpu", "float32", engine_args=arguments)
    return open_backend("hf", options)


def plan(cases: int, backend: Backend | None = None, variants: Sequence[Variant] = PAIR) -> Plan:
    """Cases of one and of two turns, on two variants; the answers take some room."""
    text = "the quick brown fox " * 20
    sampling = Sampling(max_new_tokens=24)
    made = [
        case(f"c{n}", f"{n}: {text}", *(["and then?"] if n % 3 == 0 else []), sampling=sampling)
        for n in range(cases)
    ]
    return make_plan([suite(*made)], variants, backend or engine())


def tell(event: Event) -> None:
    """Print what was reported, at once."""
    if isinstance(event, Completed):
        print(f"answers {event.count}", flush=True)
    elif isinstance(event, Scored):
        print(f"done {event.case}/{event.variant}/{event.repeat}", flush=True)


def forked(words: Sequence[str], told: Connection) -> NoReturn:
    """Run in a process of multiprocessing's, whose output goes into a pipe."""
    for descriptor in (1, 2):
        os.dup2(told.fileno(), descriptor)
    sys.exit(main(words))


def main(words: Sequence[str] | None = None) -> int:
    """Run, and say what goes wrong as the command line does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=Path)
    parser.add_argument("run")
    parser.add_argument("cases", type=int)
    parser.add_argument("delay", type=float)
    parser.add_argument("--model")
    parser.add_argument("--adapter")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--unprivileged", action="store_true")
    arguments = parser.parse_args(words)
    backend, variants = engine(arguments.delay), PAIR
    if arguments.model:
        tuned = Variant("tuned", arguments.model, arguments.adapter)
        variants = (Variant("base", arguments.model), tuned)
        backend = model_engine(variants)
    planned = plan(arguments.cases, backend, variants)
    if arguments.limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.limit, arguments.limit))
    if arguments.unprivileged and os.getuid() == 0:
        os.setuid(NOBODY)  # the administrator may write everywhere
    try:
        with Store(arguments.store) as store:
            store.start_run(record(arguments.run))
            execute(planned, backend, store, arguments.run, tell)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
