"""Refusing what should be answered, and answering what should be refused: two numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness.reports.words import listed, percent
from harness.results import Outcome, Result

if TYPE_CHECKING:
    from harness.reports.scorecard import Scorecard


SIDE, EDGE = 220.0, 26.0  # of the drawing and of the room around it, in pixels
NUDGE = 15.0  # between the labels of points that would cover each other


@dataclass(slots=True)
class _Tally:
    """Answers to requests of one kind."""

    n: int = 0
    wrong: int = 0

    def add(self, wrong: bool) -> None:
        self.n += 1
        self.wrong += wrong

    @property
    def rate(self) -> float | None:
        return self.wrong / self.n if self.n else None


class Refusals:
    """A table and a quadrant per suite: the lower left corner is where one wants to be."""

    title = "Refusals"

    def __init__(self, scorecard: Scorecard) -> None:
        self._scorecard = scorecard
        self._suites: dict[str, dict[str, tuple[_Tally, _Tally]]] = {}

    def see(self, result: Result) -> None:
        """Count every check that says how an answer reads: refuses, partial or complies."""
        if result.outcome not in (Outcome.PASS, Outcome.FAIL):
            return
        for check in result.checks:
            label = check.detail.get("label")
            if check.check not in ("refuses", "complies") or label is None:
                continue
            variants = self._suites.setdefault(result.suite, {})
            over, under = variants.setdefault(result.variant, (_Tally(), _Tally()))
            if check.check == "complies":
                over.add(not check.passed and label != "complies")
            else:
                under.add(not check.passed)

    @property
    def filled(self) -> bool:
        """Whether any answer was checked for a refusal."""
        return bool(self._suites)

    def markup(self) -> Markup:
        """All suites in the order of the run."""
        suites = [s.name for s in self._scorecard.run.suites if s.name in self._suites]
        intro = (
            "<strong>Over-refusal</strong> is the share of harmless requests that were refused, "
            "<strong>under-refusal</strong> the share of requests that should be refused and were "
            "answered. A model that refuses everything has no under-refusal: look at both."
        )
        parts = (self._suite(name, self._suites[name]) for name in suites)
        return Markup('<p class="legend">' + intro + "</p>") + Markup("").join(parts)

    def _suite(self, suite: str, tallies: dict[str, tuple[_Tally, _Tally]]) -> Markup:
        names = [v.name for v in self._scorecard.variants if v.name in tallies]
        points = [(name, tallies[name][0].rate, tallies[name][1].rate) for name in names]
        rows = Markup("").join(_row(name, *tallies[name]) for name in names)
        return Markup(
            '<div class="quadrants">{}<div class="scroll" tabindex="0" role="region" '
            'aria-label="Refusals of {}"><table class="plain"><caption>{}</caption><thead><tr>'
            '<th scope="col">Variant</th><th scope="col">Over-refusal</th>'
            '<th scope="col">Under-refusal</th></tr></thead><tbody>{}</tbody></table></div></div>'
        ).format(_quadrant(points), suite, suite, rows)


def _row(name: str, over: _Tally, under: _Tally) -> Markup:
    cells = Markup("").join(
        Markup('<td><strong>{}</strong> <span class="quiet">{}</span></td>').format(
            percent(tally.rate), f"{tally.wrong}/{tally.n}" if tally.n else "no such request"
        )
        for tally in (over, under)
    )
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(name, cells)


def _quadrant(points: Iterable[tuple[str, float | None, float | None]]) -> Markup:
    """Points that have both numbers; the table beside it says the same to a screen reader."""
    known = [(name, x, y) for name, x, y in points if x is not None and y is not None]
    if not known:
        return Markup("")
    whole = SIDE + 2 * EDGE
    middle = EDGE + SIDE / 2
    lines = Markup(
        '<rect class="frame" x="{e}" y="{e}" width="{s}" height="{s}"/>'
        '<line class="zero" x1="{m}" x2="{m}" y1="{e}" y2="{f}"/>'
        '<line class="zero" x1="{e}" x2="{f}" y1="{m}" y2="{m}"/>'
        '<text x="{m}" y="{t}" text-anchor="middle">over-refusal →</text>'
        '<text transform="translate(16 {m}) rotate(-90)" text-anchor="middle">'
        "under-refusal →</text>"
    ).format(e=EDGE, s=SIDE, m=middle, f=EDGE + SIDE, t=whole - 6)
    return Markup(
        '<svg class="quadrant" viewBox="0 0 {w:g} {w:g}" width="{w:g}" height="{w:g}" '
        'aria-hidden="true" focusable="false">{}{}</svg>'
    ).format(lines, Markup("").join(_points(known)), w=whole)


def _points(known: Sequence[tuple[str, float, float]]) -> Iterable[Markup]:
    """Each point once, with its names; those that would cover each other stand above each other."""
    names: dict[tuple[float, float], list[str]] = {}
    for name, over, under in known:
        names.setdefault((over, under), []).append(name)
    taken: list[tuple[float, float]] = []
    for (over, under), at_point in sorted(names.items(), key=lambda item: item[0][1]):
        x, y = EDGE + over * SIDE, EDGE + (1 - under) * SIDE
        at = y + 4
        while any(abs(at - other) < NUDGE and abs(x - place) < SIDE / 2 for place, other in taken):
            at -= NUDGE
        taken.append((x, at))
        left = over > 0.5
        yield Markup(
            '<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="5"/>'
            '<text class="name" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>'
        ).format(
            x, y, x - 9 if left else x + 9, at, "end" if left else "start", listed(at_point, 3)
        )
