"""The progress bar while a run generates, outside of pytest's own output capture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.console import Console

from harness.reports import Progress
from harness.runner import Observer, ignore


@contextmanager
def progress_of(config: pytest.Config) -> Iterator[Observer]:
    """An observer that draws on the terminal; silent in an xdist worker, which has none."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if reporter is None or hasattr(config, "workerinput"):
        yield ignore
        return
    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()
        with Progress(console_of(config)) as progress:
            yield progress


def console_of(config: pytest.Config) -> Console:
    """rich's console on pytest's own terminal, with its choice of colour and width."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    writer = reporter._tw  # the public `TerminalReporter` offers no file; `_tw` stands since 2.x
    colour = bool(writer.hasmarkup)
    return Console(
        file=writer._file,
        width=writer.fullwidth,
        force_terminal=colour and reporter.isatty,
        no_color=not colour,
    )
