"""The report of a cleaning on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.reports.words import encodable, plural
from harness.training.cleaning.values import CleaningReport, Dropped

# So many rows of each reason are listed; all of them are in the JSON.
LISTED = 3


def print_cleaning(console: Console, report: CleaningReport) -> None:
    """How many rows are left, and for each reason how many were dropped, with the first of them."""
    head = f"Cleaning: {report.kept} of {plural(report.read, 'row')} kept."
    console.print(head, markup=False, highlight=False)
    if report.dropped:
        console.print(_table(console, report))
    for what, many in (("secret", "secrets"), ("e-mail address", "e-mail addresses")):
        found = [row for row in report.noticed if row.what == what]
        if found:
            done = "replaced" if found[0].redacted else "left as they are; redact replaces them"
            count = sum(row.count for row in found)
            line = f"{count} {what if count == 1 else many} in {plural(len(found), 'row')}: {done}."
            console.print(line, markup=False, highlight=False)


def _table(console: Console, report: CleaningReport) -> Table:
    table = Table("dropped", "rows", "for example", box=None, pad_edge=False)
    for reason, count in report.by_reason.items():
        examples = [row for row in report.dropped if row.reason == reason][:LISTED]
        told = "\n".join(_line(row) for row in examples)
        cells = (reason.replace("_", " "), str(count), told)
        table.add_row(*(Text(encodable(cell, console.encoding)) for cell in cells))
    return table


def _line(row: Dropped) -> str:
    return f"{row.source}: {row.detail}"
