"""What the gate says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from harness.common import GateSettings, VariantRole
from harness.results import SuiteInfo, Verdict


@dataclass(frozen=True, slots=True)
class SuiteDemand:
    """What one suite demands. `cases` counts all of its cases, `selected` those of this run."""

    name: str
    category: str
    gate: GateSettings
    cases: int
    selected: int

    @classmethod
    def of(cls, suite: SuiteInfo) -> Self:
        """The demand of a suite as it was run."""
        return cls(suite.name, suite.category, suite.gate, suite.cases, suite.selected)

    @property
    def partial(self) -> str:
        """ "7 of 60 cases" where only a part is selected; else an empty string."""
        whole = self.selected >= self.cases
        return "" if whole else f"{self.selected} of {self.cases} cases"


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one variant passed one suite.

    n = passing + failing + error items; skipped ones are not in it. `pass_rate` is the mean share
    of passing repeats; `passed` counts items that pass every repeat. `low` and `high` are a 95 %
    interval.
    """

    n: int
    passed: int
    failed: int
    errors: int
    skipped: int
    pass_rate: float
    low: float
    high: float

    @property
    def known(self) -> float | None:
        """The pass rate; None without an item, where it says nothing."""
        return self.pass_rate if self.n else None

    @property
    def ci(self) -> tuple[float, float] | None:
        """The interval; None without an item."""
        return (self.low, self.high) if self.n else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate against the baseline on one suite. `delta` is candidate − baseline.

    `p` is one-sided for "the candidate is worse"; `p_adjusted` after Holm over the candidate's
    suites. `low` and `high` are a 95 % interval for the difference, `lower_bound` its one-sided
    95 % bound. `mde` is the smallest drop that this suite can see (80 % power at `alpha`, alone),
    `mde_adjusted` the same after Holm's first step; None where it can see none. `worse` and
    `better` name the cases that changed, the largest change first.

    Not in `pairs`: `left_out` pairs with an error or a skip, `refused` ones that were not asked the
    same or not in the same environment, and cases that one side alone has. `more_cases` would
    decide an inconclusive suite if the difference stays as it is. `clusters` is None where every
    case stands alone. `family` counts the suites that Holm corrects for.
    """

    baseline: str
    pairs: int
    delta: float
    low: float
    high: float
    p: float
    p_adjusted: float
    mde: float | None
    method: str
    worse: tuple[str, ...]
    better: tuple[str, ...]
    left_out: int = 0
    refused: int = 0
    only_baseline: int = 0
    only_candidate: int = 0
    clusters: int | None = None
    lower_bound: float = -1.0
    mde_adjusted: float | None = None
    more_cases: int | None = None
    family: int = 1

    @property
    def ci(self) -> tuple[float, float]:
        """The interval for the difference."""
        return self.low, self.high

    @property
    def sees(self) -> float | None:
        """The smallest drop that this suite can see as the gate decides: after Holm."""
        return self.mde_adjusted if self.family > 1 else self.mde


@dataclass(frozen=True, slots=True)
class SuiteVerdict:
    """One suite and one variant. `verdict` is None for a baseline, a reference or part of a suite.

    `reasons` are sentences in plain words, the deciding one first; so many of them as `against`
    says stand in the way, the others are facts. `warnings` do not decide.
    `partial` says "7 of 60 cases" where only part of the suite was run: then there is no verdict.
    `uncompared`: the run has a baseline and it knows nothing of this suite, so that the bars alone
    decided; whether the variant may replace the baseline is open then. `unlike` says in what the
    cases differ that were refused: what was asked, the environment, the sampling.
    """

    suite: str
    category: str
    variant: str
    role: VariantRole
    rate: Rate
    verdict: Verdict | None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    comparison: Comparison | None = None
    partial: str = ""
    uncompared: bool = False
    against: int = 0
    unlike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateReport:
    """All verdicts, and that of the run; None where nothing was gated.

    `warnings` are about the whole run: "nothing was gated: ...".
    """

    suites: tuple[SuiteVerdict, ...]
    verdict: Verdict | None
    warnings: tuple[str, ...] = ()

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """Return the verdicts that were given, on suites and on the run."""
        every = (self.verdict, *(row.verdict for row in self.suites))
        return frozenset(verdict for verdict in every if verdict is not None)
