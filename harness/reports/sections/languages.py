"""Which languages a variant answers in: a grid of expected languages and variants."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness.reports.sections.parity import Parity
from harness.reports.words import listed, percent
from harness.results import CheckResult, Outcome, Result

if TYPE_CHECKING:
    from harness.reports.scorecard import Scorecard


SHADES = 5
UNKNOWN = "cannot tell"


@dataclass(slots=True)
class _Answers:
    """Answers that should be in one language: how many were, and what the others were in."""

    n: int = 0
    kept: int = 0
    instead: Counter[str] = field(default_factory=Counter)

    def add(self, check: CheckResult, expected: str) -> None:
        self.n += 1
        if check.passed:
            self.kept += 1
            return
        found = check.detail.get("language")
        mixed = found == expected
        self.instead["mixed" if mixed else str(found) if found else UNKNOWN] += 1


class LanguageGrid:
    """One table per suite; every cell says its figure, and what the other answers were in.

    Below the tables: whether the same item passes in all of its languages.
    """

    title = "Languages"

    def __init__(self, scorecard: Scorecard) -> None:
        self._scorecard = scorecard
        self._parity = Parity()
        self._grids: dict[str, defaultdict[tuple[str, str], _Answers]] = {}

    def see(self, result: Result) -> None:
        """Count every check of a language that says which one was expected."""
        self._parity.see(result)
        if result.outcome not in (Outcome.PASS, Outcome.FAIL):
            return
        for check in result.checks:
            expected = check.detail.get("expected")
            if check.check == "language" and isinstance(expected, str):
                grid = self._grids.setdefault(result.suite, defaultdict(_Answers))
                grid[expected, result.variant].add(check, expected)

    @property
    def filled(self) -> bool:
        """Whether any answer was checked for its language."""
        return bool(self._grids)

    def markup(self) -> Markup:
        """The tables, in the order of the run."""
        suites = [s.name for s in self._scorecard.run.suites if s.name in self._grids]
        variants = [v.name for v in self._scorecard.variants]
        parity = Markup("").join(self._parity.markup(suite, variants) for suite in suites)
        return Markup(
            '<p class="legend">Share of answers in the language that was wanted (down), by '
            "variant (across), and what the others were in.</p>"
            '<div class="heats">{}</div>{}'
        ).format(Markup("").join(self._table(suite) for suite in suites), parity)

    def _table(self, suite: str) -> Markup:
        grid = self._grids[suite]
        variants = [v.name for v in self._scorecard.variants if any(v.name == k[1] for k in grid)]
        head = Markup("").join(Markup('<th scope="col">{}</th>').format(v) for v in variants)
        rows = Markup("").join(
            Markup('<tr><th scope="row">{}</th>{}</tr>').format(
                language,
                Markup("").join(_cell(grid.get((language, variant))) for variant in variants),
            )
            for language in sorted({key[0] for key in grid})
        )
        return Markup(
            '<div class="scroll" tabindex="0" role="region" aria-label="Languages of {}">'
            '<table class="heat"><caption>{}</caption><thead><tr><th scope="col">'
            '<span class="unseen">wanted</span></th>{}</tr></thead><tbody>{}</tbody></table></div>'
        ).format(suite, suite, head, rows)


def _cell(answers: _Answers | None) -> Markup:
    if answers is None:
        return Markup("<td>–</td>")
    rate = answers.kept / answers.n
    shade = min(SHADES - 1, int(rate * SHADES))
    instead = [f"{language} {count}" for language, count in answers.instead.most_common()]
    return Markup('<td class="shade{}"><strong>{}</strong> <span>{}/{}</span>{}</td>').format(
        shade,
        percent(rate, 0),
        answers.kept,
        answers.n,
        Markup("<span>{}</span>").format(listed(instead, 3)) if instead else "",
    )
