"""How often the same model disagrees with itself: it informs, no verdict uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from harness.reports.words import listed, percent, span
from harness.results import Result

if TYPE_CHECKING:
    from harness.reports.scorecard import Noise, Scorecard


class NoiseSection:
    """A row per suite: how many cases changed their outcome, and which."""

    title = "Noise floor"

    def __init__(self, scorecard: Scorecard) -> None:
        self._rows = scorecard.noise

    def see(self, result: Result) -> None:
        """The noise floor is on the scorecard; results add nothing."""

    @property
    def filled(self) -> bool:
        """Whether the run was made with `--aa`."""
        return bool(self._rows)

    def markup(self) -> Markup:
        """An introduction and a table."""
        who = listed(list(dict.fromkeys(row.variant for row in self._rows)))
        intro = (
            "{} answered every case a second time, not from the store and in another order. "
            "Flips are cases with another outcome the second time: a change of this size says "
            "nothing about a model. No verdict uses these figures."
        )
        return Markup(
            '<p class="legend">' + intro + "</p>"
            '<div class="scroll" tabindex="0" role="region" aria-label="Noise floor by suite">'
            '<table class="plain"><thead><tr><th scope="col">Suite</th>'
            '<th scope="col">Flips</th><th scope="col">95 %</th>'
            '<th scope="col">Flaky cases</th></tr></thead><tbody>{}</tbody></table></div>'
        ).format(who, Markup("").join(_row(row) for row in self._rows))


def _row(row: Noise) -> Markup:
    return Markup(
        '<tr><th scope="row">{}</th><td><strong>{}</strong> <span class="quiet">of {}</span></td>'
        "<td>{}</td><td>{}</td></tr>"
    ).format(row.suite, percent(row.flip_rate), row.pairs, span(row.ci), listed(row.flaky) or "–")
