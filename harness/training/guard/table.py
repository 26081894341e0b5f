"""The guard's finding on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.reports.words import encodable, plural
from harness.scorers.limits import shown
from harness.training.guard.values import GuardReport

# So many hits are listed; all of them are in the JSON.
LISTED = 10


def print_guard(console: Console, report: GuardReport) -> None:
    """How many rows were held against how many cases, and a line for each hit."""
    found = plural(len(report.hits), "row") if report.hits else "no row"
    against = plural(report.cases, "gating case")
    line = f"Guard: {found} of {report.read} removed, held against {against}."
    console.print(line, markup=False, highlight=False)
    if not report.hits:
        return
    table = Table("row", "case", "kind", "shared text", box=None, pad_edge=False)
    for hit in report.hits[:LISTED]:
        cells = (hit.source, hit.case, hit.kind.replace("_", " "), shown(hit.text))
        table.add_row(*(Text(encodable(cell, console.encoding)) for cell in cells))
    console.print(table)
    if len(report.hits) > LISTED:
        rest = f"... and {len(report.hits) - LISTED} more"
        console.print(rest, markup=False, highlight=False)
