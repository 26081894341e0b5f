"""A run in a process of its own, to be killed, starved or locked out.

    python -m tests.runner.worker STORE RUN CASES DELAY [--limit BYTES] [--unprivileged]

Answers come from echo, which waits DELAY seconds before each. What is reported as done is printed
as it is reported: one line `done CASE` for each result, one line `answers N` for each commit.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from pathlib import Path

from harness.backends import BackendOptions, open_backend
from harness.backends.values import Backend
from harness.errors import HarnessError
from harness.runner import Completed, Event, Plan, Scored, Store, execute, make_plan
from tests.runner.worlds import BASE, TUNED, case, record, suite

NOBODY = 65534


def engine(delay: float = 0.0) -> Backend:
    """echo, with a delay before each answer."""
    return open_backend("echo", BackendOptions(engine_args={"delay": delay}))


def plan(cases: int) -> Plan:
    """Cases of one and of two turns, on two variants; the answers take some room."""
    text = "the quick brown fox " * 20
    made = [
        case(f"c{n}", f"{n}: {text}", *(["and then?"] if n % 3 == 0 else [])) for n in range(cases)
    ]
    return make_plan([suite(*made)], [BASE, TUNED], engine())


def tell(event: Event) -> None:
    """Print what was reported, at once."""
    if isinstance(event, Completed):
        print(f"answers {event.count}", flush=True)
    elif isinstance(event, Scored):
        print(f"done {event.case}/{event.variant}/{event.repeat}", flush=True)


def main() -> int:
    """Run, and say what goes wrong as the command line does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=Path)
    parser.add_argument("run")
    parser.add_argument("cases", type=int)
    parser.add_argument("delay", type=float)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--unprivileged", action="store_true")
    arguments = parser.parse_args()
    planned = plan(arguments.cases)
    if arguments.limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.limit, arguments.limit))
    if arguments.unprivileged and os.getuid() == 0:
        os.setuid(NOBODY)  # the administrator may write everywhere
    try:
        with Store(arguments.store) as store:
            store.start_run(record(arguments.run))
            execute(planned, engine(arguments.delay), store, arguments.run, tell)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
