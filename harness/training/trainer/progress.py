"""Progress of a training: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from harness.reports.display import LINE_EVERY, Display
from harness.reports.words import duration, encodable, plural
from harness.training.trainer.events import Evaluated, Event, Note, Saved, Started, Stepped

RECENT = 20  # steps whose mean loss and speed are shown


class TrainingProgress(Display):
    """An observer of a training, to be used as a context manager.

    Shows steps, the mean loss of the last steps, the newest held-out loss, tokens per second and
    the time left. `clock` gives seconds.
    """

    def __init__(
        self,
        console: Console,
        *,
        every: float = LINE_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recent: deque[Stepped] = deque(maxlen=RECENT)
        self._held_out = ""
        self._bar = _new_bar(console) if console.is_terminal else None
        self._task = self._bar.add_task("training", total=None, details="") if self._bar else None
        super().__init__(console, self._bar, every, clock)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Note):
            self.print(f"note: {event.text}")
        elif isinstance(event, Started):
            self.print(_beginning(event))
        elif isinstance(event, Evaluated):
            self._held_out = f"held out {event.loss:.4f}"
            self.print(f"step {event.step}: {self._held_out}{', the best' if event.best else ''}")
        elif isinstance(event, Stepped):
            self._step(event)
        elif isinstance(event, Saved) and not self._bar:
            self.print(f"step {event.step}: saved as {event.path}")

    def details(self) -> str:
        """Loss, held-out loss, speed and time left, as far as they are known."""
        if not self._recent:
            return ""
        last, count = self._recent[-1], len(self._recent)
        seconds = sum(step.seconds for step in self._recent)
        tokens = sum(step.tokens for step in self._recent)
        left = (last.steps - last.step) * seconds / count
        parts = [f"loss {sum(step.loss for step in self._recent) / count:.4f}", self._held_out]
        parts.append(f"{tokens / seconds:,.0f} tokens/s" if seconds else "")
        parts.append(f"{duration(left)} left" if left else "")
        return " · ".join(part for part in parts if part)

    def _step(self, event: Stepped) -> None:
        self._recent.append(event)
        if self._bar and self._task is not None:
            details = encodable(self.details(), self.console.encoding)
            self._bar.update(self._task, total=event.steps, completed=event.step, details=details)
        elif self.line_due():
            self.print(f"step {event.step} of {event.steps} · {self.details()}")


def _new_bar(console: Console) -> Bar:
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[details]}", style="dim"),
        console=console,
        transient=True,
    )


def _beginning(event: Started) -> str:
    going = f"goes on at step {event.step} of" if event.step else "training:"
    again = ", gradient checkpointing" if event.checkpointing else ""
    return (
        f"{going} {plural(event.steps, 'step')} over {plural(event.samples, 'sample')} "
        f"({event.held_out} held out) on {event.device} in {event.dtype}; "
        f"{event.device_batch} at once, {event.accumulation} times a step{again}; "
        f"{event.trained_parameters:,} parameters; "
        f"{plural(event.proven, 'prompt')} proven to be as at inference"
    )
