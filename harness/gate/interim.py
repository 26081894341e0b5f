"""The gate of a run that may stop early: fed as results arrive, asked at each look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.common import HUMAN, VariantRole
from harness.gate.comparison import ROUNDING
from harness.gate.decision import Environments, Roles, judge_ledger
from harness.gate.pairs import Items, Ledger, Pairs, make_pairs
from harness.gate.sequential import START, SequentialTest, sequential_test
from harness.gate.slices import count_slices
from harness.gate.statistics import holm
from harness.results import Result, SuiteInfo, Verdict


@dataclass(frozen=True, slots=True)
class _Progress:
    """One candidate on one suite, or on a declared slice of it, so far.

    It is the test, and the sum of the changes of the pairs.
    """

    test: SequentialTest = START
    pairs: int = 0
    change: float = 0.0


class InterimGate:
    """Tell at each look in which suites every candidate has regressed.

    The work of a look grows with what is new and not with what was seen: results are counted once,
    and each sequential test goes on from where it was. The whole gate is asked only where these
    tests say that a suite may stop; its word counts.

    `earlier` holds the items of a baseline that does not answer in this run, under the name
    `baseline`.
    """

    def __init__(
        self,
        suites: Sequence[SuiteInfo],
        roles: Roles,
        baseline: str,
        *,
        environments: Environments | None = None,
        earlier: Ledger | None = None,
    ) -> None:
        self._suites, self._roles, self._baseline = suites, roles, baseline
        self._environments = environments
        self._candidates = [n for n, role in roles.items() if role is VariantRole.CANDIDATE]
        self._ledger = Ledger(dict(earlier.items) if earlier else {})
        self._progress: dict[tuple[str, str, str | None], _Progress] = {}  # the last: a slice

    def look(self, results: Iterable[Result], asked: Mapping[str, int]) -> frozenset[str]:
        """Take the results since the last look; return the suites in which all have regressed.

        The results are those of whole clusters, in their order. `asked` counts the cases asked so
        far, by suite: those of a whole suite are judged as if they were all of it.
        """
        new: dict[tuple[str, str], dict[str, None]] = {}
        for result in results:
            self._ledger.add(result)
            new.setdefault((result.suite, result.variant), {})[result.case] = None
        for suite in self._suites:
            if suite.gate.on == HUMAN:
                continue  # people judge when all was answered
            for name in self._candidates:
                if cases := new.get((suite.name, name)):
                    self._go_on(suite, name, cases)
        if not self._may_stop():
            return frozenset()
        report = judge_ledger(
            self._ledger,
            [
                d
                if d.partial
                else replace(d, cases=asked.get(d.name, 0), selected=asked.get(d.name, 0))
                for d in self._suites
            ],
            self._roles,
            self._baseline,
            environments=self._environments,
            sequential=True,
        )
        rows = [row for row in report.suites if row.role is VariantRole.CANDIDATE]
        others = {row.suite for row in rows if row.verdict is not Verdict.REGRESSED}
        return frozenset(row.suite for row in rows) - others

    def _go_on(self, suite: SuiteInfo, variant: str, cases: Iterable[str]) -> None:
        """Let the tests of one candidate on one suite, and on its slices, see these cases."""
        mine = self._ledger.of(suite.name, variant)
        base = self._ledger.of(suite.name, self._baseline)
        items: Items = {case: mine[case] for case in cases}
        others: Items = {case: base[case] for case in cases if case in base}
        whole = make_pairs(items, others, settings=suite.gate, insist=False)
        sliced = count_slices(items, others, whole, suite.gate)
        parts: list[tuple[str | None, Pairs]] = [(None, whole), *sliced.declared.items()]
        for tag, pairs in parts:
            before = self._progress.get((suite.name, variant, tag), _Progress())
            self._progress[suite.name, variant, tag] = _Progress(
                test=sequential_test(pairs, items, before.test),
                pairs=before.pairs + len(pairs.cases),
                change=before.change + float(pairs.changes.sum()),
            )

    def _may_stop(self) -> bool:
        """Return whether the tests alone show a regression of all candidates in some suite."""
        shown: list[set[str]] = []
        for name in self._candidates:
            whole = [
                (suite, seen)
                for suite in self._suites
                if not suite.partial
                for part in (None, *suite.gate.slices)
                if (seen := self._progress.get((suite.name, name, part))) and seen.pairs
            ]
            # Comparisons of answers come later, and share the error budget.
            later = [1.0 for suite in self._suites if suite.prefer and not suite.partial]
            adjusted = holm([*(seen.test.p for _, seen in whole), *later])[: len(whole)]
            shown.append(
                {
                    suite.name
                    for (suite, seen), p in zip(whole, adjusted, strict=True)
                    # Sums differ from means by rounding: the gate decides at the very bar.
                    if p <= suite.gate.alpha
                    and -seen.change / seen.pairs > suite.gate.margin - ROUNDING
                }
            )
        return bool(shown and set.intersection(*shown))
