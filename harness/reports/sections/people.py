"""What people said of the answers: means and win rates, and whether raters agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from harness.common import VariantRole, first_of, percent, plural, shown, span
from harness.gate.people import Alpha, krippendorff_alpha, preference_values
from harness.gate.statistics import Floats, rate_interval
from harness.reports.sections.base import SHOWN, Cell, Figures, Frozen, TableSection
from harness.results import HIGHEST, LOWEST, HumanJudgement, Result, Reviewed, RunInfo

LONGEST = 60  # characters of a criterion in the table: it may be a judge's rubric
STEPS = HIGHEST - LOWEST
APART = 2  # scores that differ by so much are a disagreement
SAID = {1: "won", 0: "tied", -1: "lost"}


class PeopleDisagreement(Frozen):
    """An answer of which raters said different things: scores, or 1 won, 0 tied, −1 lost."""

    case: str
    turn: int
    repeat: int
    said: Mapping[str, int]
    notes: Mapping[str, str] = {}


class PeopleRow(Figures):
    """What people said of a variant's answers in a suite, by one criterion.

    Scores: `mean` from 1 to 5 over `cases`, with its 95 % interval `ci`. Comparisons, where
    `against` names the other side: `share` is (wins + ties / 2) / n over cases. A case is the mean
    over its answers and raters. `judgements` were made by `raters`. `alpha` is Krippendorff's, over
    the `agreed_on` answers that two raters or more judged; where it is null `alpha_reason` says
    why. Answers of which raters said different things are in `disagreements`.
    """

    criterion: str
    against: str = ""
    judgements: int
    cases: int
    raters: tuple[str, ...]
    mean: float | None = None
    share: float | None = None
    ci: tuple[float, float] | None = None
    wins: int = 0
    ties: int = 0
    losses: int = 0
    alpha: float | None = None
    agreed_on: int = 0
    alpha_reason: str = ""
    disagreements: tuple[PeopleDisagreement, ...] = ()

    @property
    def what(self) -> str:
        """Return the criterion, or the opponent, for people."""
        return f"against {self.against}" if self.against else shown(self.criterion, LONGEST)

    @property
    def result(self) -> str:
        """Return the mean, or the share of wins, with its interval."""
        if self.mean is not None and self.ci:
            return f"{self.mean:.2f} of {HIGHEST} ({self.ci[0]:.2f}–{self.ci[1]:.2f})"
        counts = f"{self.wins} won, {self.ties} tied, {self.losses} lost"
        return f"{counts}, {percent(self.share)} ({span(self.ci)})"

    @property
    def agreement(self) -> str:
        """Return alpha with the number of answers, or why there is none."""
        if self.alpha is None:
            return f"– ({self.alpha_reason})"
        return f"{_number(self.alpha)} (of {plural(self.agreed_on, 'answer')})"


class PeopleSection(TableSection[PeopleRow]):
    """A row for each suite, variant and criterion that people judged."""

    name = "people"
    title = "What people say"
    figures = PeopleRow
    label = "Answers that people judged"
    intro = (
        "People judged these answers without knowing whose they are, on sides that were drawn. "
        "A score is the mean from 1 to 5 over cases, a win rate the share of cases that was "
        "preferred, ties half, each with a 95 % interval. Alpha is Krippendorff's over the answers "
        "that several judged: 1 is full agreement, 0 what chance would give."
    )

    def see(self, result: Result) -> None:
        """Pass over a result: what people said is in the store."""

    def rows(self) -> Iterator[PeopleRow]:
        """Yield nothing: `people_extras` has the rows."""
        yield from ()

    @classmethod
    def grid(cls, rows: Sequence[PeopleRow]) -> tuple[Sequence[str], Iterable[Sequence[Cell]]]:
        """Return a row for each criterion and for each opponent."""
        cells = []
        for row in rows:
            told = []
            for each in row.disagreements:
                said = [f"{who} {SAID[v] if row.against else v}" for who, v in each.said.items()]
                told.append(f"{each.case} ({', '.join(said)})")
            apart = first_of(told, SHOWN)
            judged = f"{row.judgements} by {first_of(row.raters)}, {plural(row.cases, 'case')}"
            cells.append(
                (row.suite, row.variant, row.what, judged, row.result, row.agreement, apart or "–")
            )
        head = ("Suite", "Variant", "Criterion", "Judgements", "Result", "Alpha", "Disagreement")
        return head, cells


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def people_lines(extras: Mapping[str, Sequence[Figures]], suite: str, variant: str) -> list[str]:
    """Return what people said of a variant in a suite, a line for each criterion or opponent."""
    lines = []
    for row in extras.get(PeopleSection.name, ()):
        if isinstance(row, PeopleRow) and (row.suite, row.variant) == (suite, variant):
            by = f"{plural(row.cases, 'case')} by {first_of(row.raters)}"
            agree = "" if row.alpha is None else f", alpha {_number(row.alpha)}"
            lines.append(f"people, {row.what}: {row.result}; {by}{agree}")
    return lines


def people_extras(people: Reviewed, info: RunInfo) -> dict[str, tuple[Figures, ...]]:
    """Return the section's rows: scores of all variants, comparisons of each with its opponent.

    That is the baseline; where the run has none, each variant is held against those before it.
    """
    rows: list[Figures] = []
    names = [variant.name for variant in info.variants]
    for suite in (suite.name for suite in info.suites):
        said = [row for row in people.judgements if row.suite == suite]
        for at, variant in enumerate(names):
            scored: defaultdict[str, list[tuple[HumanJudgement, int, int]]] = defaultdict(list)
            for row in said:
                given = [repeat for name, repeat in people.places[row.keys[0]] if name == variant]
                if row.score is not None and given:
                    scored[row.criterion].append((row, given[0], row.score))
            for criterion, marks in scored.items():
                shares = _by_case((row.case, (s - LOWEST) / STEPS) for row, _, s in marks)
                low, high = rate_interval(shares, np.arange(shares.size))
                ends = [LOWEST + STEPS * x for x in (float(shares.mean()), low, high)]
                rows.append(
                    PeopleRow(
                        suite=suite,
                        variant=variant,
                        criterion=criterion,
                        judgements=len(marks),
                        cases=shares.size,
                        raters=tuple(dict.fromkeys(row.rater for row, _, _ in marks)),
                        mean=ends[0],
                        ci=(ends[1], ends[2]),
                        **_agreement(marks, APART),
                    )
                )
            opponents = [info.baseline] if info.baseline else names[:at]
            roles = {v.name: v.role for v in info.variants}
            for other in opponents if roles[variant] is not VariantRole.BASELINE else ():
                compared = [
                    (row, row.repeat, values[0])
                    for row in said
                    if (values := preference_values(row, people, variant, other))
                ]
                if not compared:
                    continue
                shares = _by_case((row.case, (1 + value) / 2) for row, _, value in compared)
                counts = Counter(value for _, _, value in compared)
                rows.append(
                    PeopleRow(
                        suite=suite,
                        variant=variant,
                        criterion="",
                        against=other,
                        judgements=len(compared),
                        cases=shares.size,
                        raters=tuple(dict.fromkeys(row.rater for row, _, _ in compared)),
                        share=float(shares.mean()),
                        ci=rate_interval(shares, np.arange(shares.size)),
                        wins=counts[1],
                        ties=counts[0],
                        losses=counts[-1],
                        **_agreement(compared, 1),
                    )
                )
    return {PeopleSection.name: tuple(rows)} if rows else {}


def _by_case(values: Iterable[tuple[str, float]]) -> Floats:
    """Return the mean of each case, in the order of their first values."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for case, value in values:
        found[case].append(value)
    return np.array([sum(each) / len(each) for each in found.values()], dtype=np.float64)


def _agreement(marks: Sequence[tuple[HumanJudgement, int, int]], apart: int) -> dict[str, Any]:
    """Return the fields about raters of a row, of judgements with their repeat and value.

    apart: so much between two raters is a disagreement.
    """
    units: dict[object, dict[str, int]] = {}
    first: dict[object, tuple[HumanJudgement, int]] = {}
    notes: defaultdict[object, dict[str, str]] = defaultdict(dict)
    for row, repeat, value in marks:
        unit = frozenset(row.keys)
        units.setdefault(unit, {})[row.rater] = value
        first.setdefault(unit, (row, repeat))
        if row.note:
            notes[unit][row.rater] = row.note
    metric: Literal["interval", "nominal"] = "interval" if apart > 1 else "nominal"
    found: Alpha = krippendorff_alpha(units.values(), metric)
    return {
        "alpha": found.value,
        "agreed_on": found.n,
        "alpha_reason": found.reason,
        "disagreements": tuple(
            PeopleDisagreement(
                case=first[unit][0].case,
                turn=first[unit][0].turn,
                repeat=first[unit][1],
                said=said,
                notes=notes[unit],
            )
            for unit, said in units.items()
            if max(said.values()) - min(said.values()) >= apart
        ),
    }
