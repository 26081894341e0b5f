"""The scorecard of a run, from what was run and what the gate said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from harness.common import JsonValue, VariantRole, digest
from harness.gate import Comparison, GateReport, NoiseFloor, SuiteVerdict, Verdict
from harness.reports.scorecard import (
    Category,
    Gate,
    Noise,
    Run,
    Scorecard,
    Signature,
    SuiteCard,
    Trend,
    VariantCard,
)
from harness.reports.sections.collect import Extras
from harness.reports.words import finite, listed
from harness.results import RunInfo, SuiteInfo, VariantInfo


def build_scorecard(
    info: RunInfo,
    report: GateReport,
    *,
    kind: Literal["run", "comparison"] = "run",
    noise: Iterable[NoiseFloor] = (),
    history: Iterable[Trend] = (),
    extras: Extras | None = None,
) -> Scorecard:
    """The scorecard of a run, from what was run and what the gate said."""
    categories = tuple(_category(row) for row in report.suites)
    variants = tuple(_variant(card, info, categories) for card in info.variants)
    return Scorecard(
        run=_run(info, kind),
        variants=variants,
        categories=categories,
        verdict=report.verdict,
        notes=info.notes,
        warnings=report.warnings,
        noise=tuple(map(_noise, noise)),
        history=_own(history, categories),
        extras=extras or Extras(),
        signature=_signature(info, variants),
    )


def _run(info: RunInfo, kind: Literal["run", "comparison"]) -> Run:
    return Run(
        kind=kind,
        id=info.id,
        started=info.started,
        seconds=info.seconds,
        harness_version=info.harness_version,
        backend=info.backend,
        baseline=info.baseline,
        finished=info.finished,
        generated=info.generated,
        cached=info.cached,
        execution=dict(info.execution),
        suites=tuple(_suite(suite) for suite in info.suites),
        source=info.source,
        options=info.options,
    )


def _own(history: Iterable[Trend], rows: Iterable[Category]) -> tuple[Trend, ...]:
    """The lines of suites and variants that are in this run."""
    present = {(row.suite, row.variant) for row in rows}
    return tuple(trend for trend in history if (trend.suite, trend.variant) in present)


def _noise(floor: NoiseFloor) -> Noise:
    return Noise(
        suite=floor.suite,
        variant=floor.variant,
        pairs=floor.pairs,
        flip_rate=floor.flip_rate,
        ci=_interval(floor.low, floor.high) if floor.pairs else None,
        flaky=floor.flaky,
        left_out=floor.left_out,
    )


def _suite(suite: SuiteInfo) -> SuiteCard:
    return SuiteCard(
        name=suite.name,
        category=suite.category,
        path=suite.path,
        description=suite.description,
        gate=suite.gate,
        cases=suite.cases,
        selected=suite.selected,
        sampling=dict(suite.sampling),
    )


def _category(row: SuiteVerdict) -> Category:
    rate = row.rate
    return Category(
        suite=row.suite,
        category=row.category,
        variant=row.variant,
        role=row.role,
        n=rate.n,
        passed=rate.passed,
        failed=rate.failed,
        errors=rate.errors,
        skipped=rate.skipped,
        pass_rate=finite(rate.pass_rate) if rate.n else None,
        ci=_interval(rate.low, rate.high) if rate.n else None,
        gate=_gate(row),
        partial=row.partial,
        uncompared=row.uncompared,
    )


def _gate(row: SuiteVerdict) -> Gate | None:
    if row.verdict is None:
        return None
    return Gate(
        verdict=row.verdict,
        reasons=row.reasons,
        against=row.against,
        warnings=row.warnings,
        **_compared(row.comparison),
    )


def _compared(comparison: Comparison | None) -> dict[str, Any]:
    if comparison is None:
        return {}
    numbers = ("delta", "p", "p_adjusted", "mde", "mde_adjusted", "lower_bound")
    counts = ("pairs", "left_out", "refused", "only_baseline", "only_candidate", "more_cases")
    plain = ("method", "family", "clusters", "worse", "better", *counts)
    return {
        "delta_ci": _interval(comparison.low, comparison.high),
        **{name: finite(getattr(comparison, name)) for name in numbers},
        **{name: getattr(comparison, name) for name in plain},
    }


def _interval(low: float, high: float) -> tuple[float, float] | None:
    ends = finite(low), finite(high)
    return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _variant(card: VariantInfo, info: RunInfo, rows: Iterable[Category]) -> VariantCard:
    mine = [row for row in rows if row.variant == card.name]
    blocking = _blocking(mine)
    return VariantCard(
        name=card.name,
        role=card.role,
        model=card.model,
        adapter=card.adapter,
        weights=card.weights,
        adapter_hash=card.adapter_hash,
        environment=dict(card.environment),
        system=card.system,
        sampling=dict(card.sampling),
        chat_template=card.chat_template,
        signature=digest(_made_under(card, info), 12),
        verdict=_overall(mine),
        summary=_summary(card, info.baseline, mine),
        blocked_by=tuple(suite for suites in blocking.values() for suite in suites),
    )


def _blocking(rows: Iterable[Category]) -> dict[Verdict, tuple[str, ...]]:
    """The suites that do not pass, by verdict, in the order in which verdicts win."""
    failing = [(row.gate.verdict, row.suite) for row in rows if row.gate]
    by_verdict = {
        verdict: tuple(suite for found, suite in failing if found is verdict)
        for verdict in Verdict
        if verdict is not Verdict.PASS
    }
    return {verdict: suites for verdict, suites in by_verdict.items() if suites}


def _overall(rows: Iterable[Category]) -> Verdict | None:
    """The worst verdict over a candidate's suites; a pass only where all of them were decided.

    What was not compared with the baseline leaves open whether it may be replaced.
    """
    rows = tuple(rows)
    found = [row.gate.verdict if row.gate else None for row in rows]
    decided = {verdict for verdict in found if verdict is not None}
    decided |= {Verdict.INCONCLUSIVE for row in rows if row.uncompared}
    worst = next((verdict for verdict in Verdict if verdict in decided), None)
    return None if worst is Verdict.PASS and None in found else worst


def _made_under(card: VariantInfo, info: RunInfo) -> dict[str, JsonValue]:
    return {
        "harness": info.harness_version,
        "backend": info.backend,
        "scorers": {name: info.scorers[name] for name in sorted(info.scorers)},
        "weights": card.weights,
        "adapter": card.adapter_hash,
        "environment": {name: card.environment[name] for name in sorted(card.environment)},
        "system": card.system,
        "sampling": dict(card.sampling),
        **({"judges": dict(info.judges)} if info.judges else {}),
    }


def _signature(info: RunInfo, variants: Iterable[VariantCard]) -> Signature:
    return Signature(
        digest=digest([card.signature for card in variants], 12),
        harness=info.harness_version,
        backend=info.backend,
        scorers={name: info.scorers[name] for name in sorted(info.scorers)},
        judges={name: info.judges[name] for name in sorted(info.judges)},
    )


def _summary(card: VariantInfo, baseline: str | None, rows: Iterable[Category]) -> str:
    """The verdict on one variant in one sentence."""
    if card.role is VariantRole.BASELINE:
        return f"{card.name} is the baseline that the others are compared against."
    if card.role is VariantRole.REFERENCE:
        return f"{card.name} is a reference: reported, not gated."
    rows = tuple(rows)
    deploy = f"replace {baseline}" if baseline else "be deployed"
    if _overall(rows) is Verdict.PASS:
        return f"{card.name} may {deploy}: every suite passes."
    blocking = _blocking(rows)
    because = [f"{_BECAUSE[v]} {listed(suites)}" for v, suites in blocking.items()]
    if suites := [row.suite for row in rows if row.uncompared]:
        because.append(f"{listed(suites)} could not be compared, {baseline} has no result there")
    if not because:
        return f"{card.name} is not judged: {_undecided(rows)}."
    if {Verdict.REGRESSED, Verdict.BELOW_THRESHOLD} & blocking.keys():
        return f"{card.name} must not {deploy}: {'; '.join(because)}."
    return f"No decision on {card.name}: {'; '.join(because)}."


_BECAUSE = {
    Verdict.ERROR: "the run broke in",
    Verdict.REGRESSED: "it got worse in",
    Verdict.BELOW_THRESHOLD: "it is below the bar in",
    Verdict.INCONCLUSIVE: "too few cases to tell in",
}


def _undecided(rows: Iterable[Category]) -> str:
    parts = [f"{row.suite} ({row.partial})" for row in rows if row.partial]
    return f"only part was run of {listed(parts)}" if parts else "nothing was gated"
