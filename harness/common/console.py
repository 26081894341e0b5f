"""rich's console as this program uses it: a pipe or a log is wide, and its lines are whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from harness.common.wording import visible

PIPE_WIDTH = 120  # of tables where nobody watches; COLUMNS says otherwise


class Terminal(Console):
    """A console. Where it is no terminal, messages stay whole lines and tables are wide.

    A path that is broken in the middle can neither be clicked nor searched for in a log.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        forced = options.get("force_terminal")
        # Not is_terminal: FORCE_COLOR, which CI services set, makes that true in a log as well.
        if self.file.isatty() if forced is None else forced:
            return
        self.soft_wrap = True
        if options.get("width") is None and not os.environ.get("COLUMNS", "").isdigit():
            self.width = PIPE_WIDTH

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render it with all that would act on the terminal made visible; colours are ours."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text), style, control)

    def on_broken_pipe(self) -> None:
        """Raise what rich would swallow: a pipe closed by its reader is an error as any other.

        rich would leave the process with exit code 1, which says that a gate failed.
        """
        raise BrokenPipeError
