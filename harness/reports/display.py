"""The frame of a progress display: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.text import Text

from harness.reports.words import encodable

LINE_EVERY = 30.0  # seconds between plain lines: a nightly log stays readable


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
        """Whether it is time for a plain line; the next one is due later."""
        now = self._clock()
        if now < self._next_line:
            return False
        self._next_line = now + self._every
        return True

    def print(self, text: str) -> None:
        """A line of plain text, in the characters that the console's encoding has."""
        self.console.print(Text(encodable(text, self.console.encoding)))
