"""The progress bar while a run generates, outside of pytest's own output capture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from harness.console import Terminal
from harness.reports import Progress
from harness.runner import Observer, ignore

ERASE = "\r\x1b[2K"  # to the start of the line, and clear it


@contextmanager
def progress_of(config: pytest.Config) -> Iterator[Observer]:
    """An observer that draws on the terminal; silent in an xdist worker, which has none."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if reporter is None or hasattr(config, "workerinput"):
        yield ignore
        return
    # The public `TerminalReporter` offers no file and no line; `_tw` stands since 2.x.
    guest = Guest(reporter._tw, erases=reporter.isatty)
    with capture.global_and_fixture_disabled():
        try:
            with Progress(console_of(config, guest)) as progress:
                yield progress
        finally:
            guest.leave()


class Guest:
    """pytest's terminal, lent: the line that pytest has begun is put aside, and given back.

    So the first dot stands behind the file's name as all others do. Where nothing is written,
    nothing changes.
    """

    def __init__(self, writer: Any, *, erases: bool) -> None:
        self._file, self._line = writer._file, writer._current_line
        self._room = (ERASE if erases else "\n") if self._line else ""
        self._wrote = False

    def write(self, text: str) -> int:
        """Write as a file does."""
        if not self._wrote:
            self._wrote = True
            self._file.write(self._room)
        return int(self._file.write(text))

    def leave(self) -> None:
        """Put pytest's line back."""
        if self._wrote:
            self._file.write(self._line)
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def console_of(config: pytest.Config, file: Any = None) -> Terminal:
    """rich's console on pytest's own terminal, with its choice of colour and width."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    writer = reporter._tw
    colour = bool(writer.hasmarkup)
    return Terminal(
        file=file or writer._file,
        width=writer.fullwidth if reporter.isatty else None,
        force_terminal=colour and reporter.isatty,
        no_color=not colour,
    )
