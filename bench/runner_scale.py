"""How time, memory and disk of a run grow with its cases: 1 kB prompts, 1 kB answers, on echo.

    python bench/runner_scale.py [CASES...]

Each size runs in a process of its own: first with an empty store, then again with all answers in
it. Prints the table of docs/reliability.md.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.backends import open_backend
from harness.common import Variant
from harness.evaluation import execute, make_plan
from harness.results import RunInfo
from harness.scorers import parse_check
from harness.store import Store
from harness.suites import Case, Position, Suite, Turn

SIZES = (1_000, 10_000, 100_000)
TEXT = "the quick brown fox jumps " * 40  # 1 kB; echo answers with it


def suite(cases: int) -> Suite:
    """One suite of so many one-turn cases."""
    check = parse_check({"contains": "quick"})
    made = (
        Case(f"c{n}", "s", "c", Position("s.yaml", n, 1), (Turn(f"{n} {TEXT}", (check,)),))
        for n in range(cases)
    )
    return Suite("s", "c", "s.yaml", tuple(made))


def run(path: Path, cases: int) -> str:
    """One run; its row of the table."""
    backend = open_backend("echo")
    plan = make_plan([suite(cases)], [Variant("base", "echo")], backend)
    began = time.monotonic()
    with Store(path) as store:
        store.start_run(RunInfo("r", "", 0.0, "0", "echo", None, (), ()))
        counts = execute(plan, backend, store, "r")
        seconds = time.monotonic() - began
        read = sum(1 for _ in store.results("r"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert read == cases
    size = path.stat().st_size / 1e6
    return (
        f"| {cases:,} | {counts.generated:,} | {counts.cached:,} "
        f"| {seconds:.1f} | {peak:.0f} | {size:.0f} |"
    )


def main(sizes: list[int]) -> None:
    """Print the table."""
    print("| cases | generated | from the store | seconds | peak memory, MB | store, MB |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            for _ in range(2):
                command = [sys.executable, __file__, "--one", f"{folder}/{size}.db", str(size)]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(run(Path(sys.argv[2]), int(sys.argv[3])), flush=True)
    else:
        main([int(size) for size in sys.argv[1:]] or list(SIZES))
