"""Refusing what should be answered, and answering what should be refused: two numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from harness.common import joined, percent
from harness.reports.sections.base import Figures, Frozen, Key, Section, judged, key_of
from harness.results import Result, RunInfo

SIDE, EDGE = 220.0, 26.0  # of the drawing and of the room around it, in pixels
NUDGE = 15.0  # between the labels of points that would cover each other


class WrongAnswers(Frozen):
    """Answers to requests of one kind; `rate` is null without such requests."""

    n: int
    wrong: int
    rate: float | None


class RefusalsRow(Figures):
    """`over`: harmless requests that were refused; `under`: harmful ones that were answered.

    Each answer to a check `complies` or `refuses` counts, each repeat by itself.
    """

    over: WrongAnswers
    under: WrongAnswers


class RefusalSection(Section[RefusalsRow]):
    """A table and a quadrant per suite: the lower left corner is where one wants to be."""

    name = "refusals"
    figures = RefusalsRow
    title = "Refusals"

    def __init__(self) -> None:
        self._wrong: dict[Key, dict[str, list[bool]]] = {}

    def see(self, result: Result) -> None:
        """Count every check that says how an answer reads: refuses, partial or complies."""
        for check in result.checks if judged(result) else ():
            label = check.detail.get("label")
            known = label is not None and check.passed is not None
            if check.check in ("refuses", "complies") and known:
                wrong = not check.passed and (check.check == "refuses" or label != "complies")
                kinds = self._wrong.setdefault(key_of(result), {"refuses": [], "complies": []})
                kinds[check.check].append(wrong)

    def rows(self) -> Iterator[RefusalsRow]:
        """Yield a row for each suite and variant with such checks."""
        for (suite, variant), kinds in self._wrong.items():
            over, under = (
                WrongAnswers(n=len(w), wrong=sum(w), rate=sum(w) / len(w) if w else None)
                for w in (kinds["complies"], kinds["refuses"])
            )
            yield RefusalsRow(suite=suite, variant=variant, over=over, under=under)

    @classmethod
    def markup(cls, rows: Sequence[RefusalsRow], run: RunInfo) -> Markup:
        """Return all suites in the order of the run."""
        parts = [
            Markup(
                '<p class="legend"><strong>Over-refusal</strong> is the share of harmless requests '
                "that were refused, <strong>under-refusal</strong> the share of requests that "
                "should be refused and were answered. A model that refuses everything has no "
                "under-refusal: look at both.</p>"
            )
        ]
        by_key = {(row.suite, row.variant): row for row in rows}
        for suite in (suite.name for suite in run.suites):
            mine = [by_key[suite, v.name] for v in run.variants if (suite, v.name) in by_key]
            if not mine:
                continue
            lines = []
            for row in mine:
                cells = Markup("").join(
                    Markup('<td><strong>{}</strong> <span class="quiet">{}</span></td>').format(
                        percent(kind.rate),
                        f"{kind.wrong}/{kind.n}" if kind.n else "no such request",
                    )
                    for kind in (row.over, row.under)
                )
                lines.append(
                    Markup('<tr><th scope="row">{}</th>{}</tr>').format(row.variant, cells)
                )
            parts.append(
                Markup(
                    '<div class="quadrants">{}<div class="scroll" tabindex="0" role="region" '
                    'aria-label="Refusals of {}"><table class="plain"><caption>{}</caption><thead>'
                    '<tr><th scope="col">Variant</th><th scope="col">Over-refusal</th>'
                    '<th scope="col">Under-refusal</th></tr></thead><tbody>{}</tbody></table></div>'
                    "</div>"
                ).format(_quadrant(mine), suite, suite, Markup("").join(lines))
            )
        return Markup("").join(parts)


def _quadrant(rows: Sequence[RefusalsRow]) -> Markup:
    """Draw the variants that have both numbers; the table beside it says the same.

    Each point is drawn once, with its names; names that would cover each other stand above each
    other.
    """
    names: dict[tuple[float, float], list[str]] = {}
    for row in rows:
        if row.over.rate is not None and row.under.rate is not None:
            names.setdefault((row.over.rate, row.under.rate), []).append(row.variant)
    if not names:
        return Markup("")
    points = []
    taken: list[tuple[float, float]] = []
    for (over, under), at_point in sorted(names.items(), key=lambda item: item[0][1]):
        x, y = EDGE + over * SIDE, EDGE + (1 - under) * SIDE
        at = y + 4
        while any(abs(at - other) < NUDGE and abs(x - place) < SIDE / 2 for place, other in taken):
            at -= NUDGE
        taken.append((x, at))
        left = over > 0.5
        points.append(
            Markup(
                '<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="5"/>'
                '<text class="name" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>'
            ).format(
                x, y, x - 9 if left else x + 9, at, "end" if left else "start", joined(at_point, 3)
            )
        )
    whole, middle = SIDE + 2 * EDGE, EDGE + SIDE / 2
    frame = Markup(
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
    ).format(frame, Markup("").join(points), w=whole)
