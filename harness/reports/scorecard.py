"""A run's scorecard: per suite and variant, rates, intervals and verdicts, and what they mean.

It holds the values of the run and of the gate as they are; every report is a view of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from harness.common import VariantRole, digest, joined, percent
from harness.gate.sentences import WRONG_SUITE
from harness.gate.sequential import METHOD as MAY_STOP_EARLY
from harness.reports.sections import Extras
from harness.results import (
    GateReport,
    NoiseFloor,
    RunInfo,
    SuiteResult,
    Trend,
    VariantInfo,
    Verdict,
)

SHARP = 0.10  # a suite that sees no smaller drop than this says little by passing
BLIND = "too few cases to see a drop of any size: a pass says nothing about a loss there"
_BECAUSE = {
    Verdict.ERROR: "the run broke in",
    Verdict.REGRESSED: "it got worse in",
    Verdict.BELOW_THRESHOLD: "it is below the bar in",
    Verdict.INCONCLUSIVE: "too few cases to tell in",
}


@dataclass(frozen=True, slots=True)
class VariantVerdict:
    """A variant, and what the gate says about it over all of its suites.

    `verdict` is None where nothing was decided; `summary` says it in one sentence and `blocked_by`
    names the suites that stand in the way. `sight` says of a pass that it rules out only large
    losses; empty where it is worth more, and for other verdicts. `signature` is a digest of
    everything that this variant's numbers were made under.
    """

    info: VariantInfo
    signature: str
    verdict: Verdict | None
    summary: str
    blocked_by: tuple[str, ...] = ()
    sight: str = ""

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.info.name


@dataclass(frozen=True)
class Scorecard:
    """A run, or a comparison of earlier runs, whose variants are the sides.

    `history` holds the lines of suites and variants that are in this run.
    """

    run: RunInfo
    gate: GateReport
    kind: Literal["run", "comparison"] = "run"
    noise: tuple[NoiseFloor, ...] = ()
    history: tuple[Trend, ...] = ()
    extras: Extras = field(default_factory=dict)

    @cached_property
    def variants(self) -> tuple[VariantVerdict, ...]:
        """All variants, in the order of the run."""
        return tuple(
            _judged(info, self.run, self.rows(variant=info.name)) for info in self.run.variants
        )

    @property
    def signature(self) -> str:
        """A digest of what all numbers of the card were made under."""
        return digest([variant.signature for variant in self.variants], 12)

    def candidates(self) -> tuple[VariantVerdict, ...]:
        """Return the variants that were gated, the worst verdict first."""
        order: list[Verdict | None] = [*Verdict, None]
        found = [each for each in self.variants if each.info.role is VariantRole.CANDIDATE]
        return tuple(sorted(found, key=lambda each: order.index(each.verdict)))

    def rows(self, *, suite: str = "", variant: str = "") -> tuple[SuiteResult, ...]:
        """Return the results of one suite, of one variant, or of both."""
        return tuple(
            row
            for row in self.gate.suites
            if (not suite or row.suite == suite) and (not variant or row.variant == variant)
        )

    def warnings_of(self, row: SuiteResult) -> tuple[str, ...]:
        """Return the gate's warnings about a verdict, and whether a pass could be no other.

        A pass by `non_inferiority` is shown, and a test that may stop early has no such figure. A
        candidate that has no verdict is told which bars could not be tested.
        """
        if row.verdict is None and (row.partial or row.role is not VariantRole.CANDIDATE):
            return ()
        seen = row.comparison
        passed = any(v.name == row.variant and v.verdict is Verdict.PASS for v in self.variants)
        shown = [s.name for s in self.run.suites if s.gate.policy == "non_inferiority"]
        unseeing = seen is not None and seen.sees is None and seen.method != MAY_STOP_EARLY
        blind = passed and unseeing and row.suite not in shown
        return (*row.warnings, *([BLIND] if blind else []))

    def trend(self, row: SuiteResult) -> Trend | None:
        """Return the rates of a row's suite and variant in earlier runs, where there are any."""
        mine = (t for t in self.history if (t.suite, t.variant) == (row.suite, row.variant))
        return next(mine, None)


def build_scorecard(
    info: RunInfo,
    report: GateReport,
    *,
    kind: Literal["run", "comparison"] = "run",
    noise: Iterable[NoiseFloor] = (),
    history: Iterable[Trend] = (),
    extras: Extras | None = None,
) -> Scorecard:
    """Return the scorecard of a run, from what was run and what the gate said."""
    present = {(row.suite, row.variant) for row in report.suites}
    own = tuple(trend for trend in history if (trend.suite, trend.variant) in present)
    return Scorecard(info, report, kind, tuple(noise), own, extras or {})


def _judged(info: VariantInfo, run: RunInfo, rows: tuple[SuiteResult, ...]) -> VariantVerdict:
    """Judge a variant by all of its suites, the worst verdict first.

    It passes only where all of its suites were decided. What was not compared with the baseline
    leaves open whether it may be replaced.
    """
    blocking: dict[Verdict, tuple[str, ...]] = {
        verdict: suites
        for verdict in Verdict
        if verdict is not Verdict.PASS
        and (suites := tuple(row.suite for row in rows if row.verdict is verdict))
    }
    decided = {row.verdict for row in rows} - {None}
    decided |= {Verdict.INCONCLUSIVE for row in rows if row.uncompared}
    worst = next((verdict for verdict in Verdict if verdict in decided), None)
    if worst is Verdict.PASS and any(row.verdict is None for row in rows):
        worst = None
    made_under = {
        "harness": run.harness_version,
        "backend": run.backend,
        "scorers": dict(run.scorers),
        "weights": info.weights,
        "adapter": info.adapter_hash,
        "environment": dict(info.environment),
        "system": info.system,
        "sampling": dict(info.sampling),
        **({"system_role": info.system_role} if info.system_role else {}),
        **({"template_args": dict(info.chat_template_args)} if info.chat_template_args else {}),
        **(
            {"template_defaults": dict(info.chat_template_defaults)}
            if info.chat_template_defaults
            else {}
        ),
        **({"judges": dict(run.judges)} if run.judges else {}),
    }
    sight = _sight(rows, run) if worst is Verdict.PASS else ""
    return VariantVerdict(
        info=info,
        signature=digest(made_under, 12),
        verdict=worst,
        summary=_summary(info, run.baseline, worst, blocking, rows, sight),
        sight=sight,
        blocked_by=tuple(suite for suites in blocking.values() for suite in suites),
    )


def _sight(rows: tuple[SuiteResult, ...], run: RunInfo) -> str:
    """Say what the suites of a pass cannot see; empty where they would see a drop of ten points.

    What non-inferiority has shown is shown, and a test that may stop early has no such figure. A
    suite that was judged by its bar alone is as sharp as its rate is known.
    """
    gates = {suite.name: suite.gate for suite in run.suites}
    tested = [
        row.comparison.sees
        for row in rows
        if row.comparison
        and row.comparison.method != MAY_STOP_EARLY
        and gates[row.suite].policy != "non_inferiority"
    ]
    known = sorted(drop for drop in tested if drop is not None)
    if tested and (not known or known[-1] > SHARP or len(known) < len(tested)):
        if not known:
            return "these suites are too small to see a drop of any size"
        span = " to ".join(dict.fromkeys(f"{drop * 100:.0f}" for drop in (known[0], known[-1])))
        said = f"these suites can only see drops above {span} points"
        blind = len(tested) - len(known)
        return f"{said}, and {blind} of {len(tested)} none at all" if blind else said
    low = [
        row.rate.low
        for row in rows
        if row.comparison is None
        and row.rate.n
        and (bar := gates[row.suite].min_pass_rate) is not None
        and row.rate.low < bar - SHARP
    ]
    if low:
        return f"on so few cases a true pass rate may be as low as {percent(min(low), 0)}"
    return ""


def _summary(
    info: VariantInfo,
    baseline: str | None,
    verdict: Verdict | None,
    blocking: Mapping[Verdict, tuple[str, ...]],
    rows: tuple[SuiteResult, ...],
    sight: str,
) -> str:
    """Say the verdict on one variant in one sentence."""
    if info.role is VariantRole.BASELINE:
        return f"{info.name} is the baseline that the others are compared against."
    if info.role is VariantRole.REFERENCE:
        return f"{info.name} is a reference: reported, not gated."
    deploy = f"replace {baseline}" if baseline else "be deployed"
    if verdict is Verdict.PASS and sight:
        found = f"No loss was found in {info.name}" if baseline else f"{info.name} reaches its bars"
        return f"{found}, but {sight}."
    if verdict is Verdict.PASS:
        return f"{info.name} may {deploy}: every suite passes."
    distrusted = {row.suite for row in rows if row.distrusted}
    because = []
    for found, blocked in blocking.items():
        is_open = found is Verdict.INCONCLUSIVE
        plain = [suite for suite in blocked if not (is_open and suite in distrusted)]
        because += [f"{_BECAUSE[found]} {joined(plain)}"] if plain else []
    if distrusted:
        where = joined(sorted(distrusted))
        because.append(f"what the judge says is not shown to be right in {where}")
    if shared := tuple(row.suite for row in rows if row.baseline_below):
        where = "" if shared == blocking[Verdict.BELOW_THRESHOLD] else f" in {joined(shared)}"
        because.append(f"{baseline} is below it too{where}, so {WRONG_SUITE}")
    if suites := [row.suite for row in rows if row.uncompared]:
        because.append(f"{joined(suites)} could not be compared, {baseline} has no result there")
    if not because:
        parts = [f"{row.suite} ({row.partial})" for row in rows if row.partial]
        undecided = f"only part was run of {joined(parts)}" if parts else "nothing was gated"
        return f"{info.name} is not judged: {undecided}."
    if {Verdict.REGRESSED, Verdict.BELOW_THRESHOLD} & blocking.keys():
        return f"{info.name} must not {deploy}: {'; '.join(because)}."
    return f"No decision on {info.name}: {'; '.join(because)}."
