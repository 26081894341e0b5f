"""What the gate says of a run: rates, comparisons and verdicts, and what stands beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.common import Tries, VariantRole, percent
from harness.results.values import PairJudgement

GATHERED = 0.05  # losses that chance puts into one slice more seldom gather there


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

    @property
    def broken(self) -> bool:
        """Whether every item ended in an error: then the rate says nothing of the model."""
        return self.n > 0 and self.errors == self.n

    @property
    def known(self) -> float | None:
        """The pass rate; None without an item, where it says nothing."""
        return self.pass_rate if self.n else None

    @property
    def ci(self) -> tuple[float, float] | None:
        """The interval; None without an item."""
        return (self.low, self.high) if self.n else None


@dataclass(frozen=True, slots=True)
class TriesRate:
    """pass@k or pass^k of one variant on one suite: the mean over the `n` cases that have it.

    `undefined` counts the cases with fewer than `k` judged tries: what was lost to an error or a
    skip is no failure. `estimate` is None without a case; `reason` says what was left out. `low`
    and `high` are a 95 % interval that knows of clusters.
    """

    k: int
    n: int
    undefined: int
    estimate: float | None
    low: float
    high: float
    reason: str = ""

    @property
    def ci(self) -> tuple[float, float] | None:
        """The interval; None without a case."""
        return (self.low, self.high) if self.n else None


def chosen(
    tries: Tries | None, at_k: Iterable[TriesRate], hat_k: Iterable[TriesRate]
) -> TriesRate | None:
    """Return the estimate that is asked for, of pass@k and pass^k for several k."""
    if tries is None:
        return None
    return next((rate for rate in (hat_k if tries.every else at_k) if rate.k == tries.k), None)


@dataclass(frozen=True, slots=True)
class Shift:
    """What the baseline and the other side come to over the same `pairs`: means from 0 to 1.

    `single`: every case passed or failed as a whole, so that the means are shares of cases.
    """

    pairs: int
    before: float
    after: float
    single: bool

    def __str__(self) -> str:
        """Return it as people say it: "30 of 30 → 0 of 30", or "95.0 % → 60.0 %"."""
        if self.single:
            ends = (f"{share * self.pairs:,.0f} of {self.pairs:,}" for share in self.ends)
        else:
            ends = (percent(share) for share in self.ends)
        return " → ".join(ends)

    @property
    def ends(self) -> tuple[float, float]:
        """The baseline's mean, and the other side's."""
        return self.before, self.after


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
    case stands alone. `family` counts the tests that Holm corrects for: so many of them as `beside`
    says are no suites, but comparisons of answers or declared slices. `shift` is what both sides
    come to; `enough` cases like these would find a drop of five points four times in five.
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
    beside: int = 0
    shift: Shift | None = None
    enough: int = 0

    @property
    def ci(self) -> tuple[float, float]:
        """The interval for the difference."""
        return self.low, self.high

    @property
    def sees(self) -> float | None:
        """The smallest drop that this suite can see as the gate decides: after Holm."""
        return self.mde_adjusted if self.family > 1 else self.mde


@dataclass(frozen=True, slots=True)
class Slice:
    """The cases of a suite that have one tag, for one variant.

    `shift`, `delta` with its 95 % interval and the cases that got `worse` or `better` are about the
    pairs with the baseline; None and empty without one. `sees` is the smallest drop that so few
    pairs show, None where they show none. `gathers` is the chance that so many of the suite's
    losses, or more, fall into this slice by chance, after Holm over the suite's tags; None where
    that was not asked, as there are too few losses.

    An exploratory slice has no test of its own and decides nothing. One that is `declared` by its
    suite is in the family of tests: `comparison` holds its p values, and `verdict` counts.
    """

    tag: str
    rate: Rate
    shift: Shift | None = None
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    sees: float | None = None
    gathers: float | None = None
    declared: bool = False
    comparison: Comparison | None = None
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()

    @property
    def ci(self) -> tuple[float, float] | None:
        """The interval of the change; None without a pair."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def drives(self) -> bool:
        """Whether more losses gather here than chance puts into so many cases."""
        return self.gathers is not None and self.gathers <= GATHERED


@dataclass(frozen=True, slots=True)
class Preference:
    """A candidate's answers against the baseline's on one suite: a row of its own in the gate.

    `pairs` counts pairs of answers that were judged, `cases` the cases in the test: one with a pair
    that broke is in `errors` and not in it. Pairs whose orders disagree are among the `ties`;
    of such `flips` so many named the first or the second place both times. `share` is
    (wins + ties / 2) / n, averaged over cases, with a 95 % interval that knows of clusters; None
    without a pair. `examples` are the first pairs that were lost, won and flipped, with what the
    judge said. `p` is one-sided for "the baseline's are preferred", `p_adjusted` after Holm
    over the `family` of the candidate's suites and preferences.
    """

    baseline: str
    pairs: int
    cases: int
    clusters: int | None
    wins: int
    ties: int
    losses: int
    identical: int
    flips: int
    first_slot: int
    second_slot: int
    errors: int
    left_out: int
    share: float | None
    low: float
    high: float
    p: float
    p_adjusted: float
    method: str
    broken: str = ""
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    flipped: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    examples: tuple[PairJudgement, ...] = ()
    family: int = 1
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()

    @property
    def ci(self) -> tuple[float, float] | None:
        """The interval for `share`; None without a pair."""
        return (self.low, self.high) if self.cases else None

    @property
    def flip_rate(self) -> float | None:
        """The share of the pairs that were asked whose orders disagree; None where none was."""
        asked = self.pairs - self.identical
        return self.flips / asked if asked else None

    @property
    def first_slot_share(self) -> float | None:
        """Of flips that named one place both times, the share of the first; None without any."""
        both = self.first_slot + self.second_slot
        return self.first_slot / both if both else None


class Measure(StrEnum):
    """What answers take: each is a mean over cases, of a case over its repeats.

    Of a conversation, all answers together. Tokens are all that were generated, reasoning included;
    characters those of the answers without it. Seconds are those in which an answer was worked
    on. Cost is that of a thousand cases.
    """

    TOKENS = "tokens"
    CHARACTERS = "characters"
    REASONING = "reasoning_tokens"
    SECONDS = "seconds"
    FIRST_TOKEN = "first_token_seconds"
    TOKENS_PER_SECOND = "tokens_per_second"
    COST = "cost_of_thousand"


@dataclass(frozen=True, slots=True)
class Growth:
    """How a measure changed from the baseline to a candidate, over cases that both answered.

    `growth` is mean after / mean before − 1, `low` and `high` its 95 % interval and `lower_bound`
    its one-sided 95 % bound, by Fieller's method over `clusters` independent units. Where they are
    None, `reason` says why. `bar` is the growth that the suite allows, if it says so.
    """

    baseline: str
    pairs: int
    clusters: int
    before: float | None = None
    after: float | None = None
    growth: float | None = None
    low: float | None = None
    high: float | None = None
    lower_bound: float | None = None
    reason: str = ""
    bar: float | None = None

    @property
    def ci(self) -> tuple[float, float] | None:
        """The interval for `growth`, where there is one."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def exceeds(self) -> bool:
        """The growth is shown to be above the bar."""
        bound = self.lower_bound
        return self.bar is not None and bound is not None and bound > self.bar

    @property
    def is_open(self) -> bool:
        """There is a bar, and nobody can tell on which side of it the growth is."""
        return self.bar is not None and self.lower_bound is None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One measure of one variant on one suite: its mean over the `n` cases that have it.

    `mean` is None where nobody can tell, and `reason` says why. `growth` is there for what is
    compared with a baseline.
    """

    measure: Measure
    n: int
    mean: float | None
    unit: str
    reason: str = ""
    growth: Growth | None = None

    def amount(self, value: float | None) -> str:
        """Return a value with its unit: "112 tokens", "0.84 s"; a dash for none."""
        if value is None:
            return "–"
        number = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        is_one = number == "1" and self.unit in ("tokens", "characters")
        return f"{number} {self.unit.removesuffix('s') if is_one else self.unit}"


UNKNOWN = "what it was made under is not known"


@dataclass(frozen=True, slots=True)
class Basis:
    """What a rate was made under, as digests; all empty where nobody noted it.

    `asked`: the cases with their messages and checks. `environment`: engine, sampling and judges.
    `checks`: the versions of the checks. `model`: weights, adapter and overrides.
    """

    asked: str = ""
    environment: str = ""
    checks: str = ""
    model: str = ""

    def changes(self, before: Basis) -> tuple[str, ...]:
        """Return what differs from an earlier rate, in words."""
        if NOT_NOTED in (self, before):
            return (UNKNOWN,)
        words = {
            "asked": "cases or checks",
            "environment": "engine, sampling or judge",
            "checks": "version of a check",
            "model": "model or adapter",
        }
        return tuple(
            word for name, word in words.items() if getattr(self, name) != getattr(before, name)
        )

    def comparable(self, before: Basis) -> bool:
        """Return whether the same was asked in the same way, of whichever model."""
        return not self.changes(before) or self.changes(before) == ("model or adapter",)


NOT_NOTED = Basis()


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """A suite's result for one variant.

    `verdict` is None for a baseline, a reference or part of a suite.

    `reasons` are sentences in plain words, the deciding one first; so many of them as `against`
    says stand in the way, the others are facts. `warnings` do not decide.
    `partial` says "7 of 60 cases" where only part of the suite was run: then there is no verdict.
    `uncompared`: the run has a baseline and it knows nothing of this suite, so that the bars alone
    decided; whether the variant may replace the baseline is open then. `unlike` says in what the
    cases differ that were refused: what was asked, the environment, the sampling.

    `pass_at_k` and `pass_hat_k` are there where cases were tried several times; `on` says what was
    compared and held to the bar. `slices` are the cases by tag: declared ones first, then those
    that lost most; of many tags the most frequent, and `tags` counts them all. `behaviour` is how
    long and how fast the answers are. `baseline_below`: it is below the bar, and so is the
    baseline. `basis` is what the rate was made under, but for the model. `distrusted`: it is open
    as its judge has not shown the agreement with people that the suite demands.
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
    on: str = "passed"
    pass_at_k: tuple[TriesRate, ...] = ()
    pass_hat_k: tuple[TriesRate, ...] = ()
    preference: Preference | None = None
    slices: tuple[Slice, ...] = ()
    tags: int = 0
    behaviour: tuple[Behaviour, ...] = ()
    baseline_below: bool = False
    basis: Basis = NOT_NOTED
    distrusted: bool = False

    @property
    def outgrown(self) -> bool:
        """Answers are shown to be longer, or slower, than the suite allows."""
        return any(each.growth and each.growth.exceeds for each in self.behaviour)

    def measured(self, measure: Measure) -> Behaviour | None:
        """Return what is known of one measure; None where nothing was looked at."""
        return next((each for each in self.behaviour if each.measure is measure), None)

    @property
    def got_worse(self) -> tuple[str, ...]:
        """The cases that got worse, and those whose answer lost where that is a regression.

        Those of a declared slice that regressed come first.
        """
        sliced = [each.worse for each in self.slices if each.verdict is Verdict.REGRESSED]
        worse = self.comparison.worse if self.comparison else ()
        row = self.preference
        lost = row.lost if row and row.verdict is Verdict.REGRESSED else ()
        return tuple(dict.fromkeys((*(case for its in sliced for case in its), *worse, *lost)))

    @property
    def tries(self) -> TriesRate | None:
        """The estimate that the gate is on; None where it is on the mean, or on scores."""
        return chosen(Tries.named(self.on), self.pass_at_k, self.pass_hat_k)


@dataclass(frozen=True, slots=True)
class GateReport:
    """All verdicts, and that of the run; None where nothing was gated.

    `warnings` are about the whole run: "nothing was gated: ...".
    """

    suites: tuple[SuiteResult, ...]
    verdict: Verdict | None
    warnings: tuple[str, ...] = ()

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """Return the verdicts that were given, on suites and on the run."""
        every = (self.verdict, *(row.verdict for row in self.suites))
        return frozenset(verdict for verdict in every if verdict is not None)


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """One suite and variant, generated twice (A/A).

    `flip_rate` is the chance that two answers to one case, one of each run, are judged
    differently, with a 95 % interval. `flaky` names the cases that neither always pass nor always
    fail. `left_out` counts cases that one run lacks or that hold an error or a skip.
    """

    suite: str
    variant: str
    pairs: int
    flip_rate: float
    low: float
    high: float
    flaky: tuple[str, ...]
    left_out: int

    @property
    def ci(self) -> tuple[float, float] | None:
        """The interval for `flip_rate`; None without a pair."""
        return (self.low, self.high) if self.pairs else None


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier run's rate, and what it was made under."""

    run: str
    started: str
    pass_rate: float
    verdict: Verdict | None
    basis: Basis = NOT_NOTED


@dataclass(frozen=True, slots=True)
class Trend:
    """Earlier rates of one suite and variant, oldest first; this run's own is not among them."""

    suite: str
    variant: str
    points: tuple[Past, ...]
