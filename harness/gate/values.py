"""What the gate says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.variants import VariantRole


class Verdict(StrEnum):
    """The decision on one suite and candidate, and on a run. The first that holds wins."""

    ERROR = "error"
    REGRESSED = "regressed"
    BELOW_THRESHOLD = "below_threshold"
    INCONCLUSIVE = "inconclusive"
    PASS = "pass"


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


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate against the baseline on one suite. `delta` is candidate − baseline.

    `p` is one-sided for "the candidate is worse"; `p_adjusted` after Holm over the candidate's
    suites. `mde` is the smallest drop that this suite can see (80 % power). `worse` and `better`
    name the cases that changed; `left_out` counts pairs with an error or a skip.
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


@dataclass(frozen=True, slots=True)
class SuiteVerdict:
    """One suite and one variant. `verdict` is None for a baseline, a reference or part of a suite.

    `reasons` are sentences in plain words, the deciding one first; `warnings` do not decide.
    `partial` says "7 of 60 cases" where only part of the suite was run: then there is no verdict.
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


@dataclass(frozen=True, slots=True)
class GateReport:
    """All verdicts, and that of the run; None where nothing was gated."""

    suites: tuple[SuiteVerdict, ...]
    verdict: Verdict | None
