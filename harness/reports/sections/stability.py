"""What repeats of a case agree on, and the cases where they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import fsum

from harness.common import first_of, percent
from harness.reports.sections.base import (
    SHOWN,
    Cell,
    Figures,
    Frozen,
    Key,
    TableSection,
    key_of,
    share,
)
from harness.results import Outcome, Result


class Unstable(Frozen):
    """A case whose outcome changes: the repeats, from 0, that pass, and those that do not.

    Repeat r was sampled with the case's seed + r.
    """

    case: str
    passed: tuple[int, ...]
    not_passed: tuple[int, ...]


class StabilityRow(Figures):
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
    answers: Counter[int] = field(default_factory=Counter)

    def see(self, repeat: int, seen: int) -> None:
        """Count a repeat: twice the hash of its answers, and one more if it passed."""
        (self.passed if seen & 1 else self.not_passed).append(repeat)
        self.answers[seen >> 1] += 1

    @property
    def repeats(self) -> int:
        return len(self.passed) + len(self.not_passed)

    @property
    def agreement(self) -> float:
        """Of all pairs of repeats, the share with the same answers."""
        same = sum(count * (count - 1) for count in self.answers.values())
        return same / (self.repeats * (self.repeats - 1))


class StabilitySection(TableSection[StabilityRow]):
    """A row per suite and variant with repeats. Keeps no text; a case without repeats, a number."""

    name = "stability"
    figures = StabilityRow
    title = "Stability over repeats"
    label = "Stability over repeats"
    intro = (
        "Share of cases whose outcome is not the same in all repeats, and how often two "
        "repeats gave the same answer, word for word. Repeat r was sampled with the case's "
        "seed + r; named are the repeats that did not pass."
    )

    def __init__(self) -> None:
        self._cases: dict[Key, dict[str, _Case]] = {}
        self._single: dict[Key, dict[str, int]] = {}  # first repeats of which no second was seen

    def see(self, result: Result) -> None:
        """Count one result. An error is no pass, as for the gate; what was skipped is left out."""
        if result.outcome is Outcome.SKIPPED:
            return
        # Errors agree with nothing but the same half of a conversation.
        text = "\0".join([str(len(result.responses)), *result.responses])
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        seen = int.from_bytes(digest, "big") << 1 | (result.outcome is Outcome.PASS)
        key, case = key_of(result), result.case
        single, cases = self._single.setdefault(key, {}), self._cases.setdefault(key, {})
        if result.repeat == 0 and case not in cases:
            single[case] = seen
            return
        if case not in cases:
            cases[case] = _Case()
            if case in single:
                cases[case].see(0, single.pop(case))
        cases[case].see(result.repeat, seen)

    def rows(self) -> Iterator[StabilityRow]:
        """Yield a row for each suite and variant with repeats."""
        for (suite, variant), cases in self._cases.items():
            repeated = {name: case for name, case in cases.items() if case.repeats > 1}
            if not repeated:
                continue
            unstable = tuple(
                Unstable(
                    case=name,
                    passed=tuple(sorted(case.passed)),
                    not_passed=tuple(sorted(case.not_passed)),
                )
                for name, case in sorted(repeated.items())
                if case.passed and case.not_passed
            )
            agreement = fsum(case.agreement for case in repeated.values())
            yield StabilityRow(
                suite=suite,
                variant=variant,
                cases=len(repeated),
                repeats=max(case.repeats for case in repeated.values()),
                changed_share=len(unstable) / len(repeated),
                agreement=agreement / len(repeated),
                unstable=unstable,
            )

    @classmethod
    def grid(cls, rows: Sequence[StabilityRow]) -> tuple[Sequence[str], Iterable[Sequence[Cell]]]:
        """Return what changes, and in which cases."""
        head = ("Suite", "Variant", "Outcome changes", "Same answer", "Cases that change")
        cells = []
        for row in rows:
            changes = share(row.changed_share, row.cases)
            named = (
                f"{case.case} ({', '.join(map(str, case.not_passed))})" for case in row.unstable
            )
            cases = first_of(named, SHOWN) or "–"
            cells.append((row.suite, row.variant, changes, percent(row.agreement), cases))
        return head, cells
