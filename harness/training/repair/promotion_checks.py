"""The last word: base, old adapter and new one in one run, and the gate on what it found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.common import BASE, GateSettings, Variant, VariantRole, canonical_json
from harness.config import Settings
from harness.evaluation import RunReport, Variants, reopen, run
from harness.gate import decide
from harness.results import GateReport, Observer, SuiteInfo, Verdict, ignore
from harness.suites import Suite
from harness.training.repair.plan import FixPlan
from harness.training.repair.values import SuiteReport

IN_USE = "in-use"  # the name of the adapter in use as a variant


@dataclass(frozen=True)
class Judgement:
    """What the judging run found. `reasons` say why nothing is promoted; empty: it passed."""

    run: RunReport
    suites: tuple[SuiteReport, ...]
    reasons: tuple[str, ...]


def judge(
    plan: FixPlan, settings: Settings, adapter: str, observer: Observer = ignore
) -> RunReport:
    """Run all variants on all suites at once: repaired suites on their holdout, others whole."""
    return run(alone(settings), judged_suites(plan), variants_in(plan, adapter), observer=observer)


def reread(settings: Settings, run_id: str) -> RunReport:
    """Return the judging run, from the store."""
    return reopen(alone(settings), run_id)


def alone(settings: Settings) -> Settings:
    """Return the same engine; who takes part is said by the plan and not by options."""
    changed = {"baseline": None, "aa": False, "early_stop": False, "reference": ()}
    return settings.model_copy(update=changed)


def variants_in(plan: FixPlan, adapter: str | None) -> Variants:
    """Return who takes part: what is repaired, its rival in the failing run, what is in use, the
    base, and the new adapter, which may still be to come.
    """
    variants = [replace(plan.before, role=VariantRole.BASELINE)]
    others = [plan.baseline] if plan.baseline else []
    if plan.in_use:
        others.append(replace(plan.before, name=IN_USE, adapter=plan.in_use))
    if plan.before.adapter:
        others.append(replace(plan.before, name=BASE, adapter=None))
    for variant in others:
        if _weights(variant) not in map(_weights, variants):
            variants.append(replace(variant, role=VariantRole.REFERENCE))
    new = replace(plan.before, name=plan.name, adapter=adapter, role=VariantRole.CANDIDATE)
    return Variants((*variants, new))


def _weights(variant: Variant) -> tuple[str, Path | None, str | None, str | None, str]:
    """Return what is loaded, whatever it is called; other prompts by an override count."""
    adapter = Path(variant.adapter).resolve() if variant.adapter else None
    told = canonical_json([dict(variant.template_args), variant.system_role])
    return variant.model, adapter, variant.system, variant.chat_template, told


def judged_suites(plan: FixPlan) -> tuple[Suite, ...]:
    """Return the suites with the bars that hold here."""
    repaired = [replace(t.suite, cases=t.split.holdout) for t in plan.targets]
    others = []
    for suite in plan.others:
        # Nothing may be lost, and the suite's own bar holds too if it was reached before.
        gate = GateSettings(
            min_pass_rate=None if suite.name in plan.open else suite.gate.min_pass_rate,
            max_drop=plan.fix.max_drop,
            policy="non_inferiority",
            alpha=suite.gate.alpha,
            on=suite.gate.without_people,
            max_errors=suite.gate.max_errors,
        )
        others.append(replace(suite, gate=gate))
    return (*repaired, *others)


def judgement(plan: FixPlan, report: RunReport) -> Judgement:
    """Return the verdicts on the new adapter, against everything that it must not fall behind."""
    rows = tuple(_rows(plan, report))
    reasons = []
    for row in rows:
        if row.verdict != Verdict.PASS.value:
            against = f" against {row.rival}" if row.rival else ""
            why = f"{row.verdict.replace('_', ' ')}{against}: {'; '.join(row.reasons[:2])}"
            reasons.append(f"{row.suite}: {why}")
    if report.failure:
        reasons.insert(0, f"the engine broke: {report.failure}")
    missing = {suite.name for suite in plan.suites} - {row.suite for row in rows}
    reasons += [f"{name}: no result" for name in sorted(missing)]
    return Judgement(report, rows, tuple(reasons))


def _rows(plan: FixPlan, report: RunReport) -> Iterator[SuiteReport]:
    """Yield a row for each suite and each variant that it is compared with."""
    repaired = {target.suite.name for target in plan.targets}
    for rival, gate in _gates(plan, report):
        rates = {(v.suite, v.variant): v.rate.pass_rate for v in gate.suites}
        for found in gate.suites:
            if found.variant == plan.name:
                seen = found.comparison
                yield SuiteReport(
                    suite=found.suite,
                    category=found.category,
                    repaired=found.suite in repaired,
                    n=found.rate.n,
                    rival=rival,
                    before=rates.get((found.suite, rival), 0.0),
                    after=found.rate.pass_rate,
                    delta=seen.delta if seen else None,
                    bound=seen.lower_bound if seen else None,
                    verdict=(found.verdict or Verdict.ERROR).value,
                    reasons=found.reasons,
                    worse=seen.worse if seen else (),
                    better=len(seen.better) if seen else 0,
                )


def _gates(plan: FixPlan, report: RunReport) -> Iterator[tuple[str, GateReport]]:
    """Yield the gates against what is repaired, against what is in use, where that is another; and
    in the repaired suites against what the failing run compared with.
    """
    names = {variant.name for variant in report.info.variants}
    demands = report.info.suites
    yield plan.before.name, report.gate
    if IN_USE in names:
        yield IN_USE, _against(IN_USE, report, demands)
    if plan.baseline and plan.baseline.name in names:
        repaired = {target.suite.name for target in plan.targets}
        some = [demand for demand in demands if demand.name in repaired]
        yield plan.baseline.name, _against(plan.baseline.name, report, some)


def _against(rival: str, report: RunReport, demands: Sequence[SuiteInfo]) -> GateReport:
    roles = {
        v.name: VariantRole.REFERENCE if v.role is VariantRole.BASELINE else v.role
        for v in report.info.variants
    }
    suites = {demand.name for demand in demands}
    return decide(
        (result for result in report.results() if result.suite in suites),
        demands,
        {**roles, rival: VariantRole.BASELINE},
        rival,
        environments={v.name: v.environment for v in report.info.variants},
    )
