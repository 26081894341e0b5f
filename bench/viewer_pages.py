"""How fast the pages of `harness view` are over a large store.

    python -m bench.viewer_pages [--runs 200 1] [--results 100000]

Writes a store with so many results in so many runs, through the store's own functions; serves it,
and asks for each page as a browser does. Prints the table of docs/viewer.md: milliseconds of the
first answer and the median of twenty more, and the size of the page.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness.viewer import NAVIGATION, LocalServer, view_routes
from tests.viewer.serving import reader, serving
from tests.viewer.worlds import VARIANTS, project, run_id, write_runs

SUITES = 5
TIMES = 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each number of runs and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[200, 1])
    parser.add_argument("--results", type=int, default=100_000)
    options = parser.parse_args(arguments)
    print("| runs | page | first, ms | median, ms | kB |")
    print("|---|---|---|---|---|", flush=True)
    for runs in options.runs:
        cases = options.results // runs // SUITES // len(VARIANTS)
        newest, middle = run_id(runs - 1), f"{cases // 2:04}"
        with tempfile.TemporaryDirectory() as name:
            settings = project(Path(name))
            write_runs(settings.store, runs, SUITES, cases)
            pages = {
                "runs": "/",
                "runs, searched": "/?q=adapters",
                "runs, by verdict": "/?verdict=below_threshold",
                "one run": f"/run/{newest}",
                "its failures": f"/run/{newest}?outcome=fail",
                "its texts, searched": f"/run/{newest}?q=cannot+be+sent",
                "one case": f"/case?suite=suite-3&case=sui-{middle}&run={newest}",
                "trend": "/trend",
                "one line": "/trend?suite=invoices&variant=new",
                "progress": f"/live/{newest}",
                "two runs compared": f"/compare?left={run_id(0)}:base&right={newest}:new",
            }
            server = LocalServer(view_routes(settings), port=0, navigation=NAVIGATION)
            with serving(server), reader(server) as client:
                for page, path in pages.items():
                    taken, size = [], 0.0
                    for _ in range(TIMES + 1):
                        began = time.perf_counter()
                        answer = client.get(path)
                        taken.append(1000 * (time.perf_counter() - began))
                        assert answer.status_code == 200, answer.text
                        size = len(answer.content) / 1000
                    first, median = taken[0], statistics.median(taken[1:])
                    row = f"| {runs} | {page} | {first:.0f} | {median:.0f} | {size:.0f} |"
                    print(row, flush=True)


if __name__ == "__main__":
    main()
