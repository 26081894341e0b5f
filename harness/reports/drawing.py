"""Intervals as small pictures: a strip from 0 to 100 %, and a strip around no change.

The numbers stand beside each strip as text, so the strips are hidden from screen readers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.results import SuiteResult

WIDTH, HEIGHT = 148.0, 18.0
_EDGE = 5.0  # room for a dot at either end
_MIDDLE = HEIGHT / 2
_SCALES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class DeltaScale:
    """How far the strip of changes reaches to either side, in shares."""

    reach: float

    @classmethod
    def of(cls, rows: Iterable[SuiteResult]) -> DeltaScale:
        """Return a scale that holds the changes of every suite and variant that was gated."""
        return cls.holding(
            end
            for row in rows
            if row.verdict and row.comparison
            for end in (*row.comparison.ci, row.comparison.delta)
        )

    @classmethod
    def holding(cls, ends: Iterable[float]) -> DeltaScale:
        """Return the smallest of a few round reaches that holds all of these, at most 100 %."""
        most = max(map(abs, ends), default=0.0)
        return cls(next((scale for scale in _SCALES if most <= scale), 1.0))

    def x(self, delta: float) -> float:
        """Return the place of a difference on the strip."""
        return _x((max(-1.0, min(1.0, delta / self.reach)) + 1) / 2)


def rate_strip(
    rate: float | None,
    interval: Sequence[float] | None,
    *,
    bar: float | None = None,
    baseline: float | None = None,
) -> Markup:
    """Draw a rate with its interval; `bar` is what is demanded, `baseline` the baseline's rate."""
    parts = [_line("axis", _x(0), _x(1), _MIDDLE)]
    if baseline is not None:
        parts.append(_tick("was", _x(baseline), 2))
    if bar is not None:
        parts.append(_tick("bar", _x(bar), 1))
    if interval:
        parts.append(_range(_x(interval[0]), _x(interval[1])))
    if rate is not None:
        parts.append(_dot(_x(rate)))
    return _svg(parts)


def delta_strip(
    delta: float | None,
    interval: Sequence[float] | None,
    scale: DeltaScale,
    *,
    margin: float = 0.0,
) -> Markup:
    """Draw a difference with its interval around zero.

    `margin` is the drop that is accepted; of a growth, below zero.
    """
    parts = [_line("axis", _x(0), _x(1), _MIDDLE), _tick("zero", scale.x(0), 1)]
    if margin:
        parts.append(_tick("bar", scale.x(-margin), 1))
    if interval:
        parts.append(_range(scale.x(interval[0]), scale.x(interval[1])))
    if delta is not None:
        parts.append(_dot(scale.x(delta)))
    return _svg(parts)


def _x(share: float) -> float:
    return round(_EDGE + share * (WIDTH - 2 * _EDGE), 1)


def _svg(parts: Iterable[Markup]) -> Markup:
    size = f'viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" height="{HEIGHT:g}"'
    head = Markup(f'<svg class="strip" {size} aria-hidden="true" focusable="false">')
    return head + Markup("").join(parts) + Markup("</svg>")


def _line(kind: str, start: float, end: float, y: float) -> Markup:
    return Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        kind, start, end, y, y
    )


def _tick(kind: str, x: float, inset: float) -> Markup:
    return Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        kind, x, x, inset, HEIGHT - inset
    )


def _range(start: float, end: float) -> Markup:
    width = round(max(end - start, 1.0), 1)
    return Markup('<rect class="range" x="{}" y="{}" width="{}" height="6" rx="3"/>').format(
        start, _MIDDLE - 3, width
    )


def _dot(x: float) -> Markup:
    return Markup('<circle class="dot" cx="{}" cy="{}" r="4"/>').format(x, _MIDDLE)
