"""What repeats of a case agree on, and the cases where they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import fsum
from typing import TYPE_CHECKING

from harness.reports.sections.table import Cell, Frozen, Key, TableSection, first_of, key_of, share
from harness.reports.sections.table import RowRow as Row
from harness.reports.words import percent
from harness.results import Outcome, Result

if TYPE_CHECKING:
    from harness.reports.scorecard import Scorecard


class Unstable(Frozen):
    """A case whose outcome changes: the repeats, from 0, that pass, and those that do not.

    Repeat r was sampled with the case's seed + r.
    """

    case: str
    passed: tuple[int, ...]
    not_passed: tuple[int, ...]


class StabilityRow(Row):
    """Cases with two repeats or more that fitted into the context.

    `changed_share`: of `cases`, the share in `unstable`. `agreement`: the chance that two repeats
    of a case gave the same answers, word for word, in the mean over cases.
    """

    cases: int
    repeats: int
    changed_share: float
    agreement: float
    unstable: tuple[Unstable, ...]


@dataclass(slots=True)
class _Case:
    passed: list[int] = field(default_factory=list)
    not_passed: list[int] = field(default_factory=list)
    answers: Counter[bytes] = field(default_factory=Counter)

    @property
    def repeats(self) -> int:
        return len(self.passed) + len(self.not_passed)


class StabilityCount:
    """Counts results in any order; keeps no text, some 300 bytes a case."""

    def __init__(self) -> None:
        self._cases: dict[Key, dict[str, _Case]] = {}

    def add(self, result: Result) -> None:
        """Count one result. An error is no pass, as for the gate; what was skipped is left out."""
        if result.outcome is Outcome.SKIPPED:
            return
        case = self._cases.setdefault(key_of(result), {}).setdefault(result.case, _Case())
        side = case.passed if result.outcome is Outcome.PASS else case.not_passed
        side.append(result.repeat)
        case.answers[_fingerprint(result)] += 1

    def rows(self) -> Iterator[StabilityRow]:
        """A row for each suite and variant with repeats."""
        for (suite, variant), cases in self._cases.items():
            repeated = {name: case for name, case in cases.items() if case.repeats > 1}
            if repeated:
                yield _row(suite, variant, repeated)


def stability(results: Iterable[Result]) -> tuple[StabilityRow, ...]:
    """The stability of each suite and variant that has repeats."""
    count = StabilityCount()
    for result in results:
        count.add(result)
    return tuple(count.rows())


def _row(suite: str, variant: str, cases: dict[str, _Case]) -> StabilityRow:
    unstable = tuple(
        Unstable(
            case=name, passed=tuple(sorted(case.passed)), not_passed=tuple(sorted(case.not_passed))
        )
        for name, case in sorted(cases.items())
        if case.passed and case.not_passed
    )
    return StabilityRow(
        suite=suite,
        variant=variant,
        cases=len(cases),
        repeats=max(case.repeats for case in cases.values()),
        changed_share=len(unstable) / len(cases),
        agreement=fsum(_agreement(case) for case in cases.values()) / len(cases),
        unstable=unstable,
    )


def _agreement(case: _Case) -> float:
    """Of all pairs of repeats, the share with the same answers."""
    same = sum(count * (count - 1) for count in case.answers.values())
    return same / (case.repeats * (case.repeats - 1))


def _fingerprint(result: Result) -> bytes:
    """The same for the same answers; errors agree with nothing but the same half of a talk."""
    text = "\0".join([str(len(result.responses)), *result.responses])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_HEAD = ("Suite", "Variant", "Outcome changes", "Same answer", "Cases that change")


class StabilitySection(TableSection[StabilityRow]):
    """A row per suite and variant with repeats."""

    title = "Stability over repeats"
    label = "Stability over repeats"
    intro = (
        "Share of cases whose outcome is not the same in all repeats, and how often two "
        "repeats gave the same answer, word for word. Repeat r was sampled with the case's "
        "seed + r; named are the repeats that did not pass."
    )

    def __init__(self, scorecard: Scorecard) -> None:
        super().__init__(scorecard.extras.stability)

    def head(self) -> Sequence[str]:
        """What changes, and in which cases."""
        return _HEAD

    def cells(self, row: StabilityRow) -> tuple[Cell, ...]:
        """Two shares and the cases to look at."""
        changes = share(row.changed_share, row.cases)
        cases = first_of(map(_named, row.unstable)) or "–"
        return (row.suite, row.variant, changes, percent(row.agreement), cases)


def _named(case: Unstable) -> str:
    return f"{case.case} ({', '.join(map(str, case.not_passed))})"
