"""How far a judge agrees with the rule that reads refusals, and where it does not."""

from __future__ import annotations

from markupsafe import Markup

from harness.reports.extras import Disagreement, SecondOpinionRow
from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import Cell, legend, share, table
from harness.runner.values import Result

_SHOWN = 8  # answers of a row: all of them are in scorecard.json
_HEAD = ("Suite", "Variant", "Agreement", "Cohen's kappa", "Rule and judge disagree")


class SecondOpinionSection:
    """A row per suite and variant with a rule and a judge in one turn."""

    title = "Second opinion on refusals"

    def __init__(self, scorecard: Scorecard) -> None:
        self._rows = scorecard.extras.second_opinion

    def see(self, result: Result) -> None:
        """The figures are on the scorecard; results add nothing."""

    @property
    def filled(self) -> bool:
        """Whether a judge was asked beside a rule."""
        return bool(self._rows)

    def markup(self) -> Markup:
        """An introduction and a table."""
        intro = (
            "Share of answers where the rule (refuses or complies) and the judge of the same turn "
            "both hold or both do not. Kappa is 1 for full agreement and 0 for what chance gives; "
            "a dash where both said one thing of every answer. Named are the answers to look at, "
            "with what each of the two said."
        )
        rows = map(_cells, self._rows)
        return legend(intro) + table("Second opinion on refusals", _HEAD, rows)


def _cells(row: SecondOpinionRow) -> tuple[Cell, ...]:
    kappa = "–" if row.kappa is None else f"{row.kappa:.2f}".replace("-", "−")
    names = ", ".join(map(_named, row.disagreements[:_SHOWN]))
    more = len(row.disagreements) - _SHOWN
    apart = (f"{names} and {more:,} more" if more > 0 else names) or "–"
    return (row.suite, row.variant, share(row.agreement, row.n), kappa, apart)


def _named(found: Disagreement) -> str:
    turn = f", turn {found.turn}" if found.turn > 1 else ""
    repeat = f", repeat {found.repeat}" if found.repeat else ""
    holds, fails = ("rule", "judge") if found.rule else ("judge", "rule")
    return f"{found.case}{turn}{repeat} ({holds} holds, {fails} does not)"
