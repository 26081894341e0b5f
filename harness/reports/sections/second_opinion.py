"""How far a judge agrees with the rule that reads refusals, and where it does not."""

from __future__ import annotations

from collections.abc import Sequence

from harness.reports.extras import Disagreement, SecondOpinionRow
from harness.reports.scorecard import Scorecard
from harness.reports.sections.table import Cell, TableSection, first_of, share

_HEAD = ("Suite", "Variant", "Agreement", "Cohen's kappa", "Rule and judge disagree")


class SecondOpinionSection(TableSection[SecondOpinionRow]):
    """A row per suite and variant with a rule and a judge in one turn."""

    title = "Second opinion on refusals"
    label = "Second opinion on refusals"
    intro = (
        "Share of answers where the rule (refuses or complies) and the judge of the same turn "
        "both hold or both do not. Kappa is 1 for full agreement and 0 for what chance gives; "
        "a dash where both said one thing of every answer. Named are the answers to look at, "
        "with what each of the two said."
    )

    def __init__(self, scorecard: Scorecard) -> None:
        super().__init__(scorecard.extras.second_opinion)

    def head(self) -> Sequence[str]:
        """Agreement, and where there is none."""
        return _HEAD

    def cells(self, row: SecondOpinionRow) -> tuple[Cell, ...]:
        """Agreement, kappa and the answers to look at."""
        kappa = "–" if row.kappa is None else f"{row.kappa:.2f}".replace("-", "−")
        apart = first_of(map(_named, row.disagreements)) or "–"
        return (row.suite, row.variant, share(row.agreement, row.n), kappa, apart)


def _named(found: Disagreement) -> str:
    turn = f", turn {found.turn}" if found.turn > 1 else ""
    repeat = f", repeat {found.repeat}" if found.repeat else ""
    holds, fails = ("rule", "judge") if found.rule else ("judge", "rule")
    return f"{found.case}{turn}{repeat} ({holds} holds, {fails} does not)"
