"""The losses of a training as a picture: one SVG that opens anywhere and needs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.training.trainer.history import History, Loss

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 28, 36
_STYLE = (
    "text{font:12px sans-serif;fill:#555}.grid{stroke:#ddd}.train{stroke:#9bb8d9}"
    ".smooth{stroke:#2563a8;stroke-width:2}.held{stroke:#c2410c;stroke-width:2}"
    "polyline{fill:none}circle{fill:#c2410c}"
)


def draw(history: History) -> str:
    """Loss per step, its running mean, and the held-out loss; a logarithmic scale."""
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
    """Means over a twentieth of the steps, each at the last of its steps."""
    width = max(1, len(losses) // 20)
    means = []
    for end in range(width, len(losses) + 1):
        near = losses[end - width : end]
        means.append((near[-1][0], sum(loss for _, loss in near) / width))
    return means


def _frame(parts: Sequence[str]) -> str:
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}'>"
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>"]) + "\n"
