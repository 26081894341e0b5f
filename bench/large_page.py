"""How a large page of a report opens in a real browser.

    python -m bench.large_page [--cases 66667 200000]

Writes the page of a made-up run of six suites and three variants, opens it from the disk in
headless chromium and prints a row for each number of cases: results, size, seconds from opening
it until it answers its reader (what changed is listed by then), until all cases are read, and for a
search through all texts; the script's memory at the end. Needs chromium, chromedriver and selenium.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness.reports import write_reports
from tests.reports.browser import browser
from tests.reports.story import story

SUITES, VARIANTS = 6, 3
PATIENCE = 600.0  # seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each size and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, nargs="+", default=[66_667, 200_000])
    options = parser.parse_args(arguments)
    print("| cases | results | page, MB | usable, s | all read, s | search, s | memory, MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for cases in options.cases:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            each = -(-cases // SUITES)
            card, results = story(each)
            page = write_reports(folder / "reports", "run", card, results).html
            size = page.stat().st_size / 1e6
            with browser(folder / "profile") as window:
                window.driver.set_page_load_timeout(PATIENCE)
                window.driver.set_script_timeout(PATIENCE)
                began = time.monotonic()
                window.driver.get(page.as_uri())
                window.wait("document.documentElement.dataset.ready === 'true'", PATIENCE)
                usable = time.monotonic() - began
                assert window.texts("#list .mark.changed"), "what changed is not listed"
                window.wait("document.documentElement.dataset.loaded === 'true'", PATIENCE)
                read = time.monotonic() - began
                told = window.one("#count").text
                assert told == f"{each * SUITES:,} cases", told
                began = time.monotonic()
                window.one("#filter-text").send_keys("no such text anywhere")
                window.wait("document.getElementById('list').children.length === 0", PATIENCE)
                search = time.monotonic() - began
                memory = window.run("return performance.memory.usedJSHeapSize") / 1e6
                assert window.complaints() == []
            row = f"{usable:.1f} | {read:.1f} | {search:.1f} | {memory:.0f}"
            count = each * SUITES
            print(f"| {count:,} | {count * VARIANTS:,} | {size:.0f} | {row} |", flush=True)


if __name__ == "__main__":
    main()
