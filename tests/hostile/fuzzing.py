"""Broken and hostile input on every reader, in processes with limits: `make fuzz`.

Each row of the table is one kind of file. A try changes a whole file of that kind, by its structure
or by its bytes, and runs a real command on it. It has survived when the command ended by itself
with a message or a result, within 10 s of processor time and 1 GB of memory above what the process
had when it began; the system enforces both. Tries are numbered: the same number is the same input.

    python -m tests.hostile.fuzzing --tries 3000
    python -m tests.hostile.fuzzing --row baseline --tries 1 --first 815     one input again
"""

from __future__ import annotations

import argparse
import statistics

from tests.hostile.file_rows import FILES
from tests.hostile.project_rows import PROJECTS
from tests.hostile.talk_rows import TALKS
from tests.hostile.trying import named, run

TABLE = (*FILES, *PROJECTS, *TALKS)


def command() -> int:
    """Print the table; exit code 1 where a try did not survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--row", default="")
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.tries)
    broken, names = 0, named((row.name for row in TABLE), arguments.row)
    print("| input | tries | survived | median s | worst s |\n|---|---|---|---|---|")
    for row in TABLE:
        if row.name not in names:
            continue
        good, faults, seconds = run(row, numbers)
        middle, worst = statistics.median(seconds), max(seconds)
        print(
            f"| {row.name} | {len(seconds):,} | {good:,} | {middle:.3f} | {worst:.2f} |", flush=True
        )
        for number, wrong in faults[:20]:
            print(f"    {number}: {wrong}", flush=True)
        broken += len(faults)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(command())
