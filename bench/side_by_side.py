"""Another checkout beside this one: what loading, running and scoring cost in each.

    python -m bench.side_by_side CHECKOUT [--cases 10000] [--runs 5]

Both take turns, each command in a process of its own: `harness validate` on five suites,
`harness run` on echo, `harness score` on as many recorded answers. Prints medians of the seconds
that the processes used of a core (user and system), which other work on the machine hardly changes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import yaml

from bench.echo_overhead import Taken, timed, write

HERE = Path(__file__).parents[1]
COMMANDS: Mapping[str, list[str]] = {
    "harness validate": ["validate", "suites"],
    "harness run": ["run"],
    "harness score": ["score", "suites", "--responses=answers.jsonl"],
}


def record(folder: Path) -> None:
    """Write one right answer for each case."""
    lines = []
    for path in sorted((folder / "suites").glob("*.yaml")):
        suite = yaml.load(path.read_text(), yaml.CSafeLoader)
        rows = (folder / "suites" / "rows.jsonl").read_text().splitlines()
        ids = [case["id"] for case in suite.get("cases", ())]
        ids += [json.loads(row)["name"] for row in rows] if "from_file" in suite else []
        lines += [json.dumps({"case": each, "response": f"It is {each}."}) for each in ids]
    (folder / "answers.jsonl").write_text("\n".join(lines) + "\n")


def measure(folder: Path, checkouts: Mapping[str, Path], runs: int) -> dict[str, list[Taken]]:
    """Run all commands in turn; the first round compiles modules and does not count."""
    taken: dict[str, list[Taken]] = {}
    for number in range(runs + 1):
        for label, words in COMMANDS.items():
            for name, checkout in checkouts.items():
                for path in (folder / ".harness").glob("store.db*"):
                    path.unlink()
                os.environ["PYTHONPATH"] = str(checkout)
                found = timed([sys.executable, "-m", "harness", *words], folder)
                if number:
                    taken.setdefault(f"{label}, {name}", []).append(found)
    return taken


def main() -> None:
    """Write, run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    checkouts = {"the other": options.checkout.resolve(), "this": HERE}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.cases)
        record(folder)
        print("| | core seconds, median | each run | peak memory, MB |\n|---|---|---|---|")
        for label, found in measure(folder, checkouts, options.runs).items():
            each = " ".join(f"{one.core:.2f}" for one in found)
            memory = max(one.memory for one in found)
            core = median(one.core for one in found)
            print(f"| {label} | {core:.2f} s | {each} | {memory:.0f} |")


if __name__ == "__main__":
    main()
