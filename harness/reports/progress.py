"""Progress of a run: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from harness.common import duration, encodable, plural
from harness.reports.terminal import LINE_EVERY, Display
from harness.results import Completed, Event, Finished, Note, Planned, Reused, Waiting

SPAN = 1.0  # seconds over which answers must have come before their speed says anything
FEW = 10  # answers that say nothing yet about more than ten times as many: a server warms up
WIDE, NARROW = 24, 8  # columns of the bar: the words beside it matter more
ROOMY = 100  # columns of a terminal that has room for both


class Progress(Display):
    """An observer of a run, to be used as a context manager.

    On a terminal it draws one bar: what it waits for, answers done, tokens per second, time left,
    answers that were in the store. Elsewhere it prints a line every `every` seconds. `clock` gives
    seconds.
    """

    def __init__(
        self,
        console: Console,
        *,
        every: float = LINE_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tally = _Tally(clock)
        self._bar = _Bar(console, self._tally) if console.is_terminal else None
        super().__init__(console, self._bar, every, clock)

    def __call__(self, event: Event) -> None:
        """Take one event of the runner."""
        if isinstance(event, Note):
            self.print(f"note: {event.text}")
            return
        self._tally.count(event)
        if self._bar:
            self._bar.show()
        elif isinstance(event, Completed) and self.line_due():
            self.print(self._tally.line())


class _Tally:
    """What has been counted so far, and since when."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self.total = 0
        self.reused = 0
        self.generated = 0
        self.waiting = ""
        self.ended = False
        self._mark(clock())

    def count(self, event: Event) -> None:
        if isinstance(event, Planned):
            self.total, self.ended = event.requests, False
            self.reused = self.generated = 0  # an A/A run is planned anew
            self._mark(self.now())
        elif isinstance(event, Reused):
            self.reused += event.count
            if not self._answers:
                self._mark(self.now())
        elif isinstance(event, Waiting):
            self.waiting = event.reason
            self._mark(self.now())
        elif isinstance(event, Completed):
            self._complete(event)
        elif isinstance(event, Finished):
            self.ended = True

    @property
    def done(self) -> int:
        return self.reused + self.generated

    @property
    def doing(self) -> str:
        """What it is at: "loading the model, 12 s", "answering"."""
        if self.waiting:
            return f"{self.waiting}, {duration(int(self.now() - self._begun))}"
        return "done" if self.ended else "answering"

    def line(self) -> str:
        """Say "90 of 240 answers · 50 tokens/s · 60 from the store · 2 min 30 s left"."""
        stored = f"{self.reused:,} from the store" if self.reused else ""
        parts = [f"{self.done:,} of {plural(self.total, 'answer')}", self._speed(), stored]
        return " · ".join(filter(None, [*parts, self._left()]))

    def details(self, width: int) -> str:
        """Say for a bar, in so many columns: what matters least is left out where they are few."""
        stored = f"{self.reused:,} from the store" if self.reused else ""
        done = f"{self.done:,}/{self.total:,}" if self.total else ""  # not planned yet
        parts = [done, self._speed(), self._left(), stored]
        parts = list(filter(None, parts))
        while len(parts) > 1 and len(" · ".join(parts)) > width:
            parts.pop()
        return " · ".join(parts)

    def _mark(self, now: float) -> None:
        """Begin to measure: speed and time left are those of the engine at work since then."""
        self._begun = now
        self._first: tuple[float, int, int] | None = None  # when, answers, tokens
        self._answers = self._tokens = 0

    def _complete(self, event: Completed) -> None:
        self.waiting = ""
        self.generated += event.count
        self._answers += event.count
        self._tokens += event.tokens
        if self._first is None:
            self._first = (self.now(), self._answers, self._tokens)

    def _measured(self) -> tuple[float, int, int]:
        """Return seconds, answers and tokens: without loading, as soon as what follows shows."""
        if self._first is not None:
            when, answers, tokens = self._first
            if self.now() - when >= SPAN and self._answers > answers:
                return self.now() - when, self._answers - answers, self._tokens - tokens
        return max(self.now() - self._begun, 1e-9), self._answers, self._tokens

    def _speed(self) -> str:
        seconds, _, tokens = self._measured()
        return f"{tokens / seconds:,.0f} tokens/s" if self._tokens and seconds >= SPAN else ""

    def _left(self) -> str:
        seconds, answers, _ = self._measured()
        left = self.total - self.done
        if not answers or left <= 0 or seconds < SPAN:
            return ""
        if answers < FEW and left > FEW * answers:
            return ""
        return f"{duration(left * seconds / answers)} left"


class _Words(ProgressColumn):
    """What `say` says at the moment of drawing: time goes on between two answers."""

    def __init__(self, say: Callable[[], str], console: Console) -> None:
        super().__init__(Column(no_wrap=True))
        self._say, self._encoding = say, console.encoding

    def render(self, task: Task) -> Text:
        return Text(encodable(self._say(), self._encoding))


class _Bar:
    """rich's progress bar with our columns."""

    def __init__(self, console: Console, tally: _Tally) -> None:
        self._tally, self._console = tally, console
        self._width = WIDE if console.width >= ROOMY else NARROW
        self.bar = Bar(
            _Words(lambda: tally.doing, console),
            BarColumn(bar_width=self._width),
            _Words(self._details, console),
            console=console,
            transient=True,
        )
        self.task = self.bar.add_task("", total=None)

    def _details(self) -> str:
        spaces = 2  # between the three columns
        room = self._console.width - len(self._tally.doing) - self._width - spaces
        return self._tally.details(room)

    def start(self) -> None:
        self.bar.start()

    def stop(self) -> None:
        self.bar.stop()

    def show(self) -> None:
        tally = self._tally
        total = tally.done if tally.ended else tally.total
        self.bar.update(self.task, total=total, completed=tally.done)
