"""How a whole run grows: base and 19 adapters on echo, from the command to the scorecard.

    python -m bench.large_run [--answers 10000 100000 1000000] [--folder DIR]

Writes five suites of rows and a configuration with twenty variants into a folder. Then, each in a
process of its own: `harness run`, `harness show` (the verdict again, from the store alone),
`harness compare` of two variants, and `harness export` into Parquet where pyarrow is installed.
Prints the table of docs/scale.md: wall and core seconds, the memory of the largest process, and
the size of the store and of the report.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from bench.echo_overhead import timed

VARIANTS = 20
SUITES = 5
SUITE = """suite: {name}
category: {name}
defaults:
  system: You are Lina, the assistant of Acme. Answer in one sentence.
from_file:
  - path: {name}.jsonl
    case:
      id: "{{{{ row.name }}}}"
      user: "Please say {{{{ row.number }}}} and nothing else, in the words of the customer."
      checks:
        - contains: "{{{{ row.number }}}}"
        - words: {{max: 60}}
"""


def write(folder: Path, answers: int) -> None:
    """Write the project: `answers` is a multiple of 100."""
    adapters = (f'[variants.a{n:02}]\nadapter = "a{n:02}"\n' for n in range(1, VARIANTS))
    head = 'suites = ["suites"]\nmodel = "echo"\nbackend = "echo"\n'
    (folder / "harness.toml").write_text(head + "".join(adapters))
    (folder / "suites").mkdir()
    for number in range(SUITES):
        name = f"suite{number}"
        (folder / "suites" / f"{name}.yaml").write_text(SUITE.format(name=name))
        rows = (
            json.dumps({"name": f"{name}-{n:06}", "number": str(n)})
            for n in range(answers // VARIANTS // SUITES)
        )
        (folder / "suites" / f"{name}.jsonl").write_text("\n".join(rows) + "\n")


def commands() -> dict[str, list[str]]:
    """Return what is measured, in this order."""
    harness = [sys.executable, "-m", "harness"]
    found = {
        "run": [*harness, "run"],
        "show": [*harness, "show"],
        "compare": [*harness, "compare", "latest:base", "latest:a01"],
    }
    if find_spec("pyarrow"):
        found["export"] = [*harness, "export", "--to", "parquet", "--shards", "4"]
    return found


def _megabytes(*paths: Path) -> float:
    return sum(path.stat().st_size for path in paths) / 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each size and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="keep the projects here")
    parser.add_argument("--only", nargs="+", choices=sorted(commands()), default=list(commands()))
    options = parser.parse_args(arguments)
    print("| answers | command | wall, s | core, s | memory, MB | store, MB | report, MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for answers in options.answers:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            write(folder, answers)
            for command, words in commands().items():
                if command not in options.only:
                    continue
                taken = timed(words, folder)
                store = _megabytes(*(folder / ".harness").glob("store.db*"))
                latest = (folder / "reports" / "latest").resolve()
                report = _megabytes(*(path for path in latest.rglob("*") if path.is_file()))
                print(
                    f"| {answers:,} | {command} | {taken.seconds:.1f} | {taken.core:.1f} "
                    f"| {taken.memory:.0f} | {store:.0f} | {report:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
