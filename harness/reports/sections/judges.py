"""How far the judges of a run are known to agree with people."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.common import percent, span
from harness.gate.sentences import judge_name, kappa
from harness.reports.sections.base import Cell, GateSection, legend, table
from harness.results import RunInfo, SuiteInfo


class JudgesSection(GateSection[SuiteInfo]):
    """A row for each suite and judge, from the calibration files of the project."""

    name = "judged"
    title = "Judges and people"

    @classmethod
    def markup(cls, rows: Sequence[SuiteInfo], run: RunInfo) -> Markup:
        """Return an introduction and a table."""
        intro = (
            "Cohen’s kappa of a judge with people who labelled the same answers, with its 95 % "
            "interval: 1 is full agreement, 0 what chance gives. Accuracy is the share of answers "
            "with the same label. People is the kappa of one person with another: more cannot be "
            "asked of a judge. Where something differs from what was calibrated, nothing is known "
            "of this judge."
        )
        cells: list[Sequence[Cell]] = []
        for suite in rows:
            for row in suite.judged:
                figures = ("–", "–", "–")
                status = "not calibrated"
                if row.differs:
                    status = f"not as calibrated: {', '.join(row.differs)} differs"
                elif row.file:
                    accuracy = f"{percent(row.accuracy.value)} ({span(row.accuracy.ci)})"
                    figures = (
                        kappa(row.kappa),
                        accuracy if row.accuracy.ci else "–",
                        kappa(row.people) if row.people.ci else "–",
                    )
                    status = "calibrated"
                demanded = "–" if row.min_agreement is None else f"{row.min_agreement:g}"
                if not row.enough:
                    demanded += ", not reached"
                cells.append(
                    (suite.name, judge_name(row), *figures, demanded, status, row.file or "–")
                )
        head = ("Suite", "Judge", "Kappa", "Accuracy", "People", "min_agreement", "Status", "File")
        return legend(intro) + table("Judges and people", head, cells)
