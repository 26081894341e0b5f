"""The decision: results in, verdicts out, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.errors import InputError, Problem, nearest
from harness.gate.comparison import compare_family, rate_of
from harness.gate.ledger import Ledger, collect, known_only
from harness.gate.pairs import make_pairs
from harness.gate.values import GateReport, SuiteDemand, SuiteVerdict, Verdict
from harness.gate.verdicts import SEVERITY, Unit, facts, judge, nothing_demanded, warnings
from harness.runner.values import Result
from harness.variants import VariantRole

Roles = Mapping[str, VariantRole]


def decide(
    results: Iterable[Result],
    demands: Sequence[SuiteDemand],
    roles: Roles,
    baseline: str | None,
    *,
    insist: bool = False,
) -> GateReport:
    """Judge every candidate on every suite.

    `results` are read once, in any order, and only a light projection is kept. `baseline` names a
    variant in `roles`; None judges by absolute bars alone. `insist` compares pairs that differ in
    case or environment all the same, with a warning.

    Raises InputError for results of unknown suites or variants, for a repeated result and for a
    score that is no number in [0, 1].
    """
    return judge_ledger(collect(results), demands, roles, baseline, insist=insist)


def judge_ledger(
    ledger: Ledger,
    demands: Sequence[SuiteDemand],
    roles: Roles,
    baseline: str | None,
    *,
    insist: bool = False,
) -> GateReport:
    """`decide` on results that are already collected."""
    known_only(ledger, {demand.name: demand for demand in demands}, roles)
    _check_baseline(roles, baseline)
    by_variant = {
        variant: _units(ledger, demands, variant, baseline, insist=insist) for variant in roles
    }
    verdicts = tuple(
        _suite_verdict(by_variant[variant][index], role)
        for index in range(len(demands))
        for variant, role in roles.items()
        if role is VariantRole.CANDIDATE or by_variant[variant][index].items
    )
    return GateReport(verdicts, _worst(verdicts), tuple(_run_warnings(verdicts)))


def _check_baseline(roles: Roles, baseline: str | None) -> None:
    if baseline is not None and baseline not in roles:
        raise InputError(
            Problem(
                f"the baseline '{baseline}' is no variant of this run",
                wanted=", ".join(roles),
                did_you_mean=nearest(baseline, roles),
            )
        )


def _units(
    ledger: Ledger,
    demands: Sequence[SuiteDemand],
    variant: str,
    baseline: str | None,
    *,
    insist: bool,
) -> list[Unit]:
    """One unit per suite. Whole suites share Holm's error budget; a part of a suite takes none."""
    compared = None if variant == baseline else baseline
    units = [_unit(ledger, demand, variant, compared, insist=insist) for demand in demands]
    for part in (False, True):
        chosen = [
            i for i, u in enumerate(units) if bool(u.demand.partial) is part and _has_pairs(u)
        ]
        family = [(u.pairs, u.settings) for u in (units[i] for i in chosen) if u.pairs is not None]
        for i, tested in zip(chosen, compare_family(family, compared or ""), strict=True):
            units[i] = replace(units[i], tested=tested)
    return units


def _has_pairs(unit: Unit) -> bool:
    return unit.pairs is not None and len(unit.pairs.cases) > 0


def _unit(
    ledger: Ledger, demand: SuiteDemand, variant: str, baseline: str | None, *, insist: bool
) -> Unit:
    items = ledger.of(demand.name, variant)
    other = ledger.of(demand.name, baseline) if baseline is not None else {}
    pairs = None
    if baseline is not None:
        pairs = make_pairs(items, other, on=demand.gate.on, insist=insist)
    return Unit(demand, variant, baseline, items, other, rate_of(items), pairs)


def _suite_verdict(unit: Unit, role: VariantRole) -> SuiteVerdict:
    gated = role is VariantRole.CANDIDATE
    verdict: Verdict | None = None
    reasons = tuple(facts(unit))
    if gated and not unit.demand.partial:
        verdict, reasons = judge(unit)
    notes = [*warnings(unit), *(nothing_demanded(unit) if gated else ())]
    return SuiteVerdict(
        suite=unit.demand.name,
        category=unit.demand.category,
        variant=unit.variant,
        role=role,
        rate=unit.rate,
        verdict=verdict,
        reasons=reasons,
        warnings=tuple(notes),
        comparison=unit.comparison,
        partial=unit.demand.partial,
    )


def _worst(verdicts: Sequence[SuiteVerdict]) -> Verdict | None:
    found = [row.verdict for row in verdicts if row.verdict is not None]
    return min(found, key=SEVERITY.__getitem__, default=None)


def _run_warnings(verdicts: Sequence[SuiteVerdict]) -> Iterator[str]:
    if any(row.verdict is not None for row in verdicts):
        return
    if any(row.role is VariantRole.CANDIDATE for row in verdicts):
        yield "nothing was gated: only parts of suites were selected"
    else:
        yield "nothing was gated: the run has no candidate"
