"""Progress of a run: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from harness.reports.words import duration, encodable, plural
from harness.runner.events import Completed, Event, Finished, Note, Planned, Reused

LINE_EVERY = 30.0  # seconds between plain lines: a nightly log stays readable


class Progress:
    """An observer of a run, to be used as a context manager.

    On a terminal it draws one bar: answers done, tokens per second, time left, answers that were
    in the store. Elsewhere it prints a line every `every` seconds. `clock` gives seconds.
    """

    def __init__(
        self,
        console: Console,
        *,
        every: float = LINE_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console
        self._tally = _Tally(clock)
        self._every = every
        self._next_line = clock() + every
        self._bar = _Bar(console) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        """Take one event of the runner."""
        if isinstance(event, Note):
            self._print(f"note: {event.text}")
            return
        self._tally.count(event)
        if self._bar:
            self._bar.show(self._tally)
        elif isinstance(event, Completed) and self._tally.now() >= self._next_line:
            self._next_line = self._tally.now() + self._every
            self._print(self._tally.line())

    def _print(self, text: str) -> None:
        self.console.print(Text(encodable(text, self.console.encoding)))


class _Tally:
    """What has been counted so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self.total = 0
        self.reused = 0
        self.generated = 0
        self.tokens = 0
        self.begun = clock()
        self.ended = False

    def count(self, event: Event) -> None:
        if isinstance(event, Planned):
            self.total, self.begun, self.ended = event.requests, self.now(), False
            self.reused = self.generated = self.tokens = 0  # an A/A run is planned anew
        elif isinstance(event, Reused):
            self.reused += event.count
            self.begun = self.now()
        elif isinstance(event, Completed):
            self.generated += event.count
            self.tokens += event.tokens
        elif isinstance(event, Finished):
            self.ended = True

    @property
    def done(self) -> int:
        return self.reused + self.generated

    @property
    def speed(self) -> float:
        """Tokens per second since the first generation began."""
        return self.tokens / max(self.now() - self.begun, 1e-9) if self.tokens else 0.0

    def details(self) -> str:
        parts = [f"{self.speed:,.0f} tokens/s"] if self.tokens else []
        if self.reused:
            parts.append(f"{self.reused:,} from the store")
        return " · ".join(parts)

    def line(self) -> str:
        parts = [f"{self.done:,} of {plural(self.total, 'answer')}", self.details()]
        left = self.total - self.done
        if self.generated and left > 0:
            spent = self.now() - self.begun
            parts.append(f"{duration(left * spent / self.generated)} left")
        return " · ".join(part for part in parts if part)


class _Bar:
    """rich's progress bar with our columns."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[details]}", style="dim"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self.task = self.bar.add_task("answering", total=None, details="")

    def start(self) -> None:
        self.bar.start()

    def stop(self) -> None:
        self.bar.stop()

    def show(self, tally: _Tally) -> None:
        self.bar.update(
            self.task,
            total=tally.done if tally.ended else tally.total,
            completed=tally.done,
            details=encodable(tally.details(), self.console.encoding),
            description="done" if tally.ended else "answering",
        )
