"""Rows that can be learned from, and a report of all the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.common import InputError, Problem, digest, encodable, plural
from harness.training.cleaning.faults import first_fault, leading_script, twins, without_private
from harness.training.cleaning.values import (
    Cleaned,
    CleaningReport,
    CleaningSettings,
    CountTokens,
    Dropped,
    Noticed,
)
from harness.training.values import TrainingRow


def clean(
    rows: Sequence[TrainingRow],
    settings: CleaningSettings | None = None,
    count_tokens: CountTokens | None = None,
) -> Cleaned:
    """Return the rows without those that teach something wrong, or the same thing again.

    `count_tokens` says how long a conversation is with the model's own template around it. Raises
    InputError where so much would be dropped that something is wrong with the data.
    """
    chosen = settings or CleaningSettings()
    cleaning = _Cleaning(chosen, count_tokens)
    kept = cleaning.without_twins(cleaning.without_faults(rows))
    dropped = cleaning.dropped_in_order(rows)
    report = CleaningReport(
        read=len(rows),
        kept=len(kept),
        dropped=dropped,
        noticed=tuple(cleaning.noticed),
        scripts=dict(Counter(leading_script(row) for row in kept).most_common()),
    )
    if len(dropped) > chosen.most and len(dropped) > chosen.max_dropped * len(rows):
        reasons = ", ".join(f"{reason} {times}" for reason, times in report.by_reason.items())
        raise InputError(
            Problem(
                f"{len(dropped)} of {len(rows)} training rows would be dropped",
                path=dropped[0].source,
                found=f"{reasons}; the first: {dropped[0].detail}",
                expected=f"at most {chosen.max_dropped:.0%}",
                hint="look at the data first; a reason can be switched off, the share be raised",
            )
        )
    return Cleaned(tuple(kept), report)


class _Cleaning:
    """What one cleaning found so far; rows are named by their place among those read."""

    def __init__(self, settings: CleaningSettings, count_tokens: CountTokens | None) -> None:
        self.settings = settings
        self.count_tokens = count_tokens
        self.noticed: list[Noticed] = []
        self._dropped: dict[int, Dropped] = {}

    def without_faults(self, rows: Sequence[TrainingRow]) -> dict[int, TrainingRow]:
        """Return the rows that are right by themselves."""
        kept: dict[int, TrainingRow] = {}
        for at, given in enumerate(rows):
            row, noticed = without_private(given, redact=self.settings.redact)
            if fault := first_fault(row, self.settings, self.count_tokens):
                self._dropped[at] = Dropped(row.source, *fault)
            else:
                kept[at] = row
                self.noticed += noticed
        return kept

    def without_twins(self, rows: dict[int, TrainingRow]) -> list[TrainingRow]:
        """Return the rows that no earlier row is the same as, or nearly."""
        first: dict[str, TrainingRow] = {}
        left: dict[int, TrainingRow] = {}
        for at, row in rows.items():
            content = digest(row.content)
            same = first.get(content)
            if same is None or "duplicate" in self.settings.off:
                first[content] = left[at] = row
            else:
                self._dropped[at] = Dropped(row.source, "duplicate", f"as {same.source}")
        if "near_duplicate" in self.settings.off:
            return list(left.values())
        numbers = list(left)
        texts = [
            "\n".join(
                f"{message.role}: {message.content} {' '.join(map(str, message.tool_calls))}"
                for message in row.messages
            )
            for row in left.values()
        ]
        near = twins(texts, self.settings.near)
        for at, (earlier, similarity) in near.items():
            detail = f"as {left[numbers[earlier]].source} (similarity {similarity:.2f})"
            source = left[numbers[at]].source
            self._dropped[numbers[at]] = Dropped(source, "near_duplicate", detail)
        return [row for at, row in enumerate(left.values()) if at not in near]

    def dropped_in_order(self, rows: Sequence[TrainingRow]) -> tuple[Dropped, ...]:
        """Return the rows that were left out, in the order in which they were read."""
        return tuple(self._dropped[at] for at in range(len(rows)) if at in self._dropped)


# So many rows of each reason are listed; all of them are in the JSON.
LISTED = 3


def print_cleaning(console: Console, report: CleaningReport) -> None:
    """Print how many rows are left, and for each reason how many were dropped and the first."""
    head = f"Cleaning: {report.kept} of {plural(report.read, 'row')} kept."
    console.print(head, markup=False, highlight=False)
    if report.dropped:
        table = Table("dropped", "rows", "for example", box=None, pad_edge=False)
        for reason, count in report.by_reason.items():
            examples = [row for row in report.dropped if row.reason == reason][:LISTED]
            told = "\n".join(f"{row.source}: {row.detail}" for row in examples)
            cells = (reason.replace("_", " "), str(count), told)
            table.add_row(*(Text(encodable(cell, console.encoding)) for cell in cells))
        console.print(table)
    for what, many in (("secret", "secrets"), ("e-mail address", "e-mail addresses")):
        found = [row for row in report.noticed if row.what == what]
        if found:
            done = "replaced" if found[0].redacted else "left as they are; redact replaces them"
            count = sum(row.count for row in found)
            line = f"{count} {what if count == 1 else many} in {plural(len(found), 'row')}: {done}."
            console.print(line, markup=False, highlight=False)
