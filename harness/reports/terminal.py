"""What matters, on a terminal: a table per suite, then each candidate's verdict in words."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.common import (
    VariantRole,
    duration,
    encodable,
    joined,
    percent,
    points,
    points_span,
    span,
)
from harness.config import Settings
from harness.reports.files import ReportPaths
from harness.reports.scorecard import Scorecard, VariantVerdict
from harness.reports.sections.people import people_lines
from harness.reports.words import (
    COLOUR,
    answered,
    because,
    behaved,
    by_tag,
    enough,
    judged_by,
    label,
    noise,
    preferred,
    several_tries,
    sight,
)
from harness.results import SuiteResult, Verdict

First = Mapping[tuple[str, str], Sequence[str]]  # as in ReportPaths
_GAP = 2
_JUSTIFY: tuple[JustifyMethod, ...] = ("left", "right", "right", "right", "left")
LINE_EVERY = 30.0  # seconds between plain lines: a nightly log stays readable


def print_summary(
    console: Console,
    scorecard: Scorecard,
    paths: ReportPaths | None,
    *,
    view: str = "",
) -> None:
    """Print the table, the verdicts in words, where the report is, and the command that opens it.

    Colours come from the console, so NO_COLOR and a pipe are respected; every verdict also has
    its symbol and its word. Fits 80 columns.
    """
    _Printer(console).everything(scorecard, paths, view)


def view_command(settings: Settings, run_id: str) -> str:
    """Return the command that opens a run in the viewer, as a shell takes it."""
    usual = Settings.model_fields["store"].default
    store = () if settings.store == usual else ("--store", str(settings.store))
    return shlex.join(("harness", "view", run_id, *store))


class _Printer:
    """Prints without markup, in the characters that the console's encoding has."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def text(self, text: str, style: str = "") -> Text:
        return Text(encodable(text, self.console.encoding), style=style)

    def line(self, *parts: Text, indent: int = 0) -> None:
        """Print one paragraph; what does not fit into the width goes on below its first word."""
        if self.console.soft_wrap:
            self.console.print(Text.assemble(" " * indent, *parts))
        else:
            self.console.print(Padding(Text.assemble(*parts), (0, 0, 0, indent), expand=False))

    def everything(self, scorecard: Scorecard, paths: ReportPaths | None, view: str) -> None:
        self.tables(scorecard)
        for card in scorecard.candidates():
            self.verdict(card, scorecard, paths.first if paths else {})
        self.warnings(scorecard)
        if not scorecard.candidates():
            self.line(self.text("Nothing was gated: this run has no candidate.", "bold"))
        if not scorecard.run.finished:
            self.line(self.text("The run did not finish: figures cover what was done.", "bold"))
        self.footer(scorecard, paths, view)

    def tables(self, scorecard: Scorecard) -> None:
        """Print one table per suite below its name, all with the same columns."""
        widths = _widths([self.cells(row) for row in scorecard.gate.suites], self.console.width)
        self.console.print(_table(widths, [self.heads()]))
        for suite in scorecard.run.suites:
            self.line(self.text(suite.name, "bold"))
            for row in scorecard.rows(suite=suite.name):
                self.console.print(_table(widths, [self.cells(row)]))
                judged = people_lines(scorecard.extras, row.suite, row.variant)
                for said in filter(None, (several_tries(row), behaved(row), *judged)):
                    self.line(self.text(said, "dim"), indent=4)
                if row.verdict and (said := by_tag(row)):
                    self.line(self.text(said, "dim"), indent=4)
                if seen := row.preference:
                    style = COLOUR[seen.verdict] if seen.verdict else "dim"
                    status = self.text(f"  {label(seen.verdict)}", style)
                    self.line(self.text(preferred(seen)), status, indent=4)

    def heads(self) -> tuple[Text, ...]:
        names = ("", "passed", "rate (95 %)", "change (95 %)", "verdict")
        return tuple(self.text(name, "dim") for name in names)

    def cells(self, row: SuiteResult) -> tuple[Text, ...]:
        rate, seen = row.rate, row.comparison if row.verdict else None
        standing = "not gated" if row.role is VariantRole.CANDIDATE else row.role.value
        if row.partial:
            standing = f"partial: {row.partial}"
        return (
            self.text(f"  {row.variant}"),
            self.text(f"{rate.passed}/{rate.n}"),
            self.text("all broke", COLOUR[Verdict.ERROR])
            if rate.broken
            else self.text(percent(rate.known) + (f" ({span(rate.ci)})" if rate.ci else "")),
            self.text(f"{points(seen.delta)} ({points_span(seen.ci)})" if seen else ""),
            self.text(label(row.verdict), COLOUR[row.verdict])
            if row.verdict
            else self.text(standing, "dim"),
        )

    def verdict(self, card: VariantVerdict, scorecard: Scorecard, first: First) -> None:
        style = f"bold {COLOUR[card.verdict]}" if card.verdict else "bold"
        self.console.print()
        head = f"{label(card.verdict).upper()}  " if card.verdict else "· "
        self.line(self.text(head, style), self.text(card.summary, "" if card.verdict else "bold"))
        rows = {row.suite: row for row in scorecard.rows(variant=card.name) if row.verdict}
        for row in (rows[suite] for suite in card.blocked_by):
            self.line(
                self.text(f"{row.suite}: ", "bold"),
                self.text(because(row.reasons, row.against, row.verdict)),
                indent=2,
            )
            worse = row.got_worse
            told = worse and row.verdict is not Verdict.ERROR
            self.look_at(worse if told else first.get((card.name, row.suite), ()))
        compared = {s: row.comparison.sees for s, row in rows.items() if row.comparison}
        said = enough(rows.values()) if card.sight else sight(compared)
        if not card.blocked_by and said:
            self.line(self.text(said, "dim"), indent=2)
        self.look_at(first.get((card.name, ""), ()))

    def look_at(self, cases: Sequence[str]) -> None:
        if cases:
            self.line(self.text(f"look at: {joined(cases)}"), indent=2)

    def warnings(self, scorecard: Scorecard) -> None:
        """Print each warning once, with the candidates that it is about."""
        about: dict[str, list[str]] = {text: [] for text in scorecard.gate.warnings}
        for row in scorecard.gate.suites:
            for text in scorecard.warnings_of(row):
                about.setdefault(f"{row.suite}: {text}", []).append(row.variant)
        if about:
            self.console.print()
        for text, variants in about.items():
            who = f" for {joined(variants)}" if variants else ""
            self.line(self.text(f"warning{who}, {text}" if who else f"warning: {text}", "yellow"))

    def footer(self, scorecard: Scorecard, paths: ReportPaths | None, view: str) -> None:
        run = scorecard.run
        self.console.print()
        if scorecard.noise:
            rows = [noise(r.suite, r.flip_rate, r.pairs, r.flaky) for r in scorecard.noise]
            head = f"noise floor, {scorecard.noise[0].variant} asked twice: "
            self.line(self.text(head + "; ".join(rows), "dim"))
        for standing in dict.fromkeys(row for suite in run.suites for row in suite.judged):
            self.line(self.text(judged_by(standing), "dim"))
        for note in run.notes:
            self.line(self.text(f"note: {note}", "dim"))
        if scorecard.kind == "run":
            self.line(self.text(f"{answered(run)}, {duration(run.seconds)}", "dim"))
        if paths:
            self.pair("scorecard" if scorecard.kind == "run" else "comparison", str(paths.html))
        if view:
            self.pair("view", view)

    def pair(self, name: str, value: str) -> None:
        """Print a name and something to copy: never broken at the edge of the terminal."""
        self.console.print(
            Text.assemble(self.text(f"{name:<11}", "dim"), self.text(value, "bold")),
            soft_wrap=True,
        )


def _widths(rows: list[tuple[Text, ...]], total: int) -> list[int]:
    """Return the widths of the columns; the first gives way where the terminal is narrow."""
    heads = (8, 6, 11, 13, 7)
    widths = [max([head, *(row[i].cell_len for row in rows)]) for i, head in enumerate(heads)]
    spare = total - sum(widths) - _GAP * (len(widths) - 1)
    return [max(heads[0], widths[0] + min(0, spare)), *widths[1:]]


def _table(widths: list[int], rows: list[tuple[Text, ...]]) -> Table:
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=False)
    for width, justify in zip(widths, _JUSTIFY, strict=True):
        table.add_column(width=width, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


class Drawn(Protocol):
    """Something that is on the terminal between its start and its stop."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Display:
    """The frame of a display: a context manager in which `bar` is drawn, if there is one.

    Without one, `line_due` is true once in `every` seconds of `clock`.
    """

    def __init__(
        self, console: Console, bar: Drawn | None, every: float, clock: Callable[[], float]
    ) -> None:
        self.console = console
        self._drawn, self._every, self._clock = bar, every, clock
        self._next_line = clock() + every

    def __enter__(self) -> Self:
        if self._drawn:
            self._drawn.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._drawn:
            self._drawn.stop()

    def line_due(self) -> bool:
        """Return whether it is time for a plain line; the next one is due later."""
        now = self._clock()
        if now < self._next_line:
            return False
        self._next_line = now + self._every
        return True

    def print(self, text: str) -> None:
        """Print a line of plain text, in the characters that the console's encoding has."""
        self.console.print(Text(encodable(text, self.console.encoding)))
