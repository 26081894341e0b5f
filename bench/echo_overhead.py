"""What the harness itself costs, without a model: 10,000 cases on echo, beside plain pytest.

    python -m bench.echo_overhead [--cases 10000] [--runs 5]

Writes five suites (four with their cases written out, one with rows of a data file) and five plain
test modules with as many trivial parametrised tests into a temporary folder. Then, in turn, each in
a process of its own: `harness run`, the same again with all answers in the store, `pytest` on the
suites, `pytest` on the modules. Prints medians, the ratio, peak memory, what starts take, and
whether torch was imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

SUITES = 5
CATEGORIES = ("instruction_following", "json_validity", "role_consistency", "refusal", "other")
SYSTEM = "You are Lina, the assistant of Acme. Answer in one sentence."
PLAIN = """import pytest

@pytest.mark.parametrize("number", range({count}))
def test_number(number):
    assert str(number) in f"say {{number}}"
"""


@dataclass(frozen=True)
class Taken:
    """Wall seconds, seconds of one core and peak memory (MB) of one process with its children."""

    seconds: float
    core: float
    memory: float


def write(folder: Path, cases: int) -> None:
    """The suites, and the plain tests."""
    (folder / "harness.toml").write_text('suites = ["suites"]\nmodel = "echo"\nbackend = "echo"\n')
    (folder / "suites").mkdir()
    (folder / "plain").mkdir()
    # Options of a plug-in are known where conftest.py lies beside what the command line names.
    (folder / "suites" / "conftest.py").write_text('pytest_plugins = ["harness.pytest_plugin"]\n')
    (folder / "pytest.ini").write_text("[pytest]\n")
    each = cases // SUITES
    for number, category in enumerate(CATEGORIES):
        rows = number == SUITES - 1
        text = _rows(folder, each) if rows else _written(category, each)
        head = f"suite: {category}\ncategory: {category}\n"
        (folder / "suites" / f"{category}.yaml").write_text(head + text)
        (folder / "plain" / f"test_{category}.py").write_text(PLAIN.format(count=each))


def _written(category: str, count: int) -> str:
    """Cases as an author writes them: echo answers with the question, so all pass."""
    case = """
  - id: {category}-{number:05}
    tags: [smoke]
    user: "Please say {number} and nothing else, in the words of the customer."
    checks:
      - contains: "{number}"
      - words: {{max: 60}}
"""
    cases = "".join(case.format(category=category, number=number) for number in range(count))
    return f"defaults:\n  system: {json.dumps(SYSTEM)}\ncases:{cases}"


def _rows(folder: Path, count: int) -> str:
    """One case per row, through templates."""
    rows = (json.dumps({"name": f"row-{n:05}", "number": str(n)}) for n in range(count))
    (folder / "suites" / "rows.jsonl").write_text("\n".join(rows) + "\n")
    return """from_file:
  - path: rows.jsonl
    case:
      id: "{{ row.name }}"
      user: "Please say {{ row.number }} and nothing else."
      checks:
        - contains: "{{ row.number }}"
        - words: {max: 60}
"""


def environment() -> dict[str, str]:
    """As a user has it: modules are compiled once; pytest without plug-ins that came along."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**given, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def timed(command: Sequence[str], folder: Path, expected: int = 0) -> Taken:
    """Run one process; raises where it does not end as it should."""
    start = time.perf_counter()
    with (folder / "output.txt").open("w") as output:
        child = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != expected:
        raise SystemExit(f"{command} ended with {child.returncode}:\n{_tail(folder)}")
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _tail(folder: Path) -> str:
    return (folder / "output.txt").read_text()[-2000:]


def commands() -> Mapping[str, list[str]]:
    """What is compared; the harness's plug-in is switched on below suites/ only."""
    python = [sys.executable, "-m"]
    quiet = ["-q", "-p", "no:cacheprovider"]
    return {
        "harness run": [*python, "harness", "run"],
        "harness run, all answers stored": [*python, "harness", "run"],
        "pytest suites/": [*python, "pytest", "suites", *quiet],
        "plain pytest": [*python, "pytest", "plain", *quiet],
    }


def starts() -> Mapping[str, list[str]]:
    """What a person waits for before anything happens."""
    python = sys.executable
    return {
        "python": [python, "-c", "pass"],
        "import harness": [python, "-c", "import harness"],
        "harness --help": [python, "-m", "harness", "--help"],
        "pytest --collect-only": [python, "-m", "pytest", "--collect-only", "-q", "suites"],
    }


def measure(folder: Path, runs: int) -> dict[str, list[Taken]]:
    """All commands in turn, so that what else the machine does falls on all of them."""
    taken: dict[str, list[Taken]] = {}
    for command in starts().values():  # so that all modules are compiled
        timed(command, folder)
    for _ in range(runs):
        for name, command in commands().items():
            if name != "harness run, all answers stored":
                _forget(folder)
            taken.setdefault(name, []).append(timed(command, folder))
        for name, command in starts().items():
            taken.setdefault(name, []).append(timed(command, folder))
    return taken


def _forget(folder: Path) -> None:
    for path in (folder / ".harness").glob("store.db*"):
        path.unlink()


PROBE = """import runpy, sys
sys.argv = {argv!r}
try:
    runpy.run_module({name!r}, run_name="__main__")
except SystemExit:
    sys.exit(41 if "torch" in sys.modules else 40)
"""


def imports_torch(folder: Path) -> dict[str, bool]:
    """Whether the two commands that should start at once import torch."""
    found = {}
    for name, argv in (("harness", ["--help"]), ("pytest", ["--collect-only", "-q", "suites"])):
        code = PROBE.format(argv=[name, *argv], name=name)
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True)
        if done.returncode not in (40, 41):
            raise SystemExit(f"{name} {argv} ended with {done.returncode}: {done.stderr.decode()}")
        found[f"{name} {argv[0]}"] = done.returncode == 41
    return found


def show(taken: Mapping[str, list[Taken]], torch: Mapping[str, bool]) -> None:
    """The table, the ratios and who imported torch."""
    print("| | wall, median | each run | core seconds, median | peak memory, MB |")
    print("|---|---|---|---|---|")
    for label, found in taken.items():
        wall, core = median(one.seconds for one in found), median(one.core for one in found)
        runs = " ".join(f"{one.seconds:.2f}" for one in found)
        memory = max(one.memory for one in found)
        print(f"| {label} | {wall:.2f} s | {runs} | {core:.2f} s | {memory:.0f} |")
    for what in ("seconds", "core"):
        ours, plain = (
            median(getattr(one, what) for one in taken[label])
            for label in ("pytest suites/", "plain pytest")
        )
        print(f"pytest suites/ : plain pytest, {what}: {ours / plain:.2f}")
    print("torch imported: " + ", ".join(f"{name}: {found}" for name, found in torch.items()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write, run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.cases)
        show(measure(folder, options.runs), imports_torch(folder))


if __name__ == "__main__":
    main()
