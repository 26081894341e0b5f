"""Progress of a training: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from harness.common import duration, encodable, plural
from harness.reports import LINE_EVERY, Display
from harness.training.sft.checkpoints import History, Loss
from harness.training.sft.job import Evaluated, Event, Saved, Started, Stepped, TrainingNote

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
        if isinstance(event, TrainingNote):
            self.print(f"note: {event.text}")
        elif isinstance(event, Started):
            self.print(_beginning(event))
        elif isinstance(event, Evaluated):
            self._held_out = f"held out {event.loss:.4f}"
            self.print(f"step {event.step}: {self._held_out}{', the best' if event.best else ''}")
        elif isinstance(event, Stepped):
            self._recent.append(event)
            if self._bar and self._task is not None:
                told = encodable(self.details(), self.console.encoding)
                self._bar.update(self._task, total=event.steps, completed=event.step, details=told)
            elif self.line_due():
                self.print(f"step {event.step} of {event.steps} · {self.details()}")
        elif isinstance(event, Saved) and not self._bar:
            self.print(f"step {event.step}: saved as {event.path}")

    def details(self) -> str:
        """Return loss, held-out loss, speed and time left, as far as they are known."""
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
    together = f", {event.processes} processes" if event.processes > 1 else ""
    together += ", each with a part of the base" if event.sharded else ""
    return (
        f"{going} {plural(event.steps, 'step')} over {plural(event.samples, 'sample')} "
        f"({event.held_out} held out) on {event.device} in {event.dtype}{together}; "
        f"{event.device_batch} at once, {event.accumulation} times a step{again}; "
        f"{event.trained_parameters:,} parameters; "
        f"{plural(event.proven, 'prompt')} proven to be as at inference"
    )


WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 28, 36
_STYLE = (
    "text{font:12px sans-serif;fill:#555}.grid{stroke:#ddd}.train{stroke:#9bb8d9}"
    ".smooth{stroke:#2563a8;stroke-width:2}.held{stroke:#c2410c;stroke-width:2}"
    "polyline{fill:none}circle{fill:#c2410c}"
)


def draw(history: History) -> str:
    """Return loss per step, its running mean, and the held-out loss; a logarithmic scale."""
    losses = [loss for _, loss in (*history.steps, *history.held_out) if loss > 0]
    if not losses:
        return _frame(["<text x='20' y='40'>no step was taken</text>"])
    last = max(step for step, _ in (*history.steps, *history.held_out))
    scale = _Scale(last, min(losses), max(losses))
    parts = list(_grid(scale))
    parts.append(_line("train", history.steps, scale))
    parts.append(_line("smooth", _smooth(history.steps), scale))
    if history.held_out:
        parts.append(_line("held", history.held_out, scale))
        parts += [
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3'/>" for x, y in scale.of(history.held_out)
        ]
    parts.append(f"<text x='{LEFT}' y='16'>loss per step, with its running mean (blue)")
    parts[-1] += ", and on held-out rows (red)</text>" if history.held_out else "</text>"
    return _frame(parts)


class _Scale:
    """From steps and losses to places in the picture."""

    def __init__(self, last: int, low: float, high: float) -> None:
        self.last = last
        self.low, self.high = math.log10(low), math.log10(high)
        if self.high - self.low < 0.1:
            self.low, self.high = self.low - 0.05, self.high + 0.05

    def x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(self.last, 1)

    def y(self, loss: float) -> float:
        share = (math.log10(max(loss, 10**self.low)) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def of(self, losses: Sequence[Loss]) -> list[tuple[float, float]]:
        return [(self.x(step), self.y(loss)) for step, loss in losses]


def _grid(scale: _Scale) -> Iterator[str]:
    for part in range(5):
        loss = 10 ** (scale.low + (scale.high - scale.low) * part / 4)
        y = scale.y(loss)
        yield f"<line class='grid' x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}'/>"
        yield f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end'>{loss:.2g}</text>"
        step = round(scale.last * part / 4)
        x = scale.x(step)
        yield f"<text x='{x:.1f}' y='{HEIGHT - 12}' text-anchor='middle'>{step}</text>"


def _line(kind: str, losses: Sequence[Loss], scale: _Scale) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in scale.of(losses))
    return f"<polyline class='{kind}' points='{points}'/>"


def _smooth(losses: Sequence[Loss]) -> list[Loss]:
    """Return means over a twentieth of the steps, each at the last of its steps."""
    width = max(1, len(losses) // 20)
    means = []
    for end in range(width, len(losses) + 1):
        near = losses[end - width : end]
        means.append((near[-1][0], sum(loss for _, loss in near) / width))
    return means


def _frame(parts: Sequence[str]) -> str:
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}'>"
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>"]) + "\n"
