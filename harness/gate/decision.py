"""The decision: results in, verdicts out, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import InputError, Problem, nearest
from harness.gate.comparison import Tested, compare_family, rate_of
from harness.gate.early import sequential_test
from harness.gate.ledger import Ledger, collect, known_only
from harness.gate.pairs import make_pairs
from harness.gate.sentences import names
from harness.gate.values import GateReport, SuiteDemand, SuiteVerdict, Verdict
from harness.gate.verdicts import (
    SEVERITY,
    Unit,
    facts,
    judge,
    nothing_demanded,
    warnings,
    without_baseline,
)
from harness.runner.values import Result
from harness.variants import VariantRole

NOTHING_DEMANDED = "no bar and no baseline: nothing is decided here"
NOT_KNOWN = "no bar, and the baseline has no result in this suite: nothing is decided here"
NOT_COMPARED = (
    "not compared, the baseline has no result in it: save the baseline again from a run of all "
    "suites, or judge by the bars alone with --baseline none"
)
Roles = Mapping[str, VariantRole]
Environments = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Pairing:
    """With whom, and how strictly, every variant is compared."""

    baseline: str | None
    insist: bool
    environments: Environments
    sequential: bool = False


def decide(
    results: Iterable[Result],
    demands: Sequence[SuiteDemand],
    roles: Roles,
    baseline: str | None,
    *,
    insist: bool = False,
    environments: Environments | None = None,
    sequential: bool = False,
) -> GateReport:
    """Judge every candidate on every suite.

    `results` are read once, in any order, and only a light projection is kept. `baseline` names a
    variant in `roles`; None judges by absolute bars alone. `insist` compares pairs that differ in
    case or environment all the same, with a warning. `environments` holds the fields of each
    variant's environment, to say which of them differ. `sequential`: the results are in the order
    in which they were looked at, and a test that allows that replaces the final one.

    Raises InputError for results of unknown suites or variants, for a repeated result and for a
    score that is no number in [0, 1].
    """
    return judge_ledger(
        collect(results),
        demands,
        roles,
        baseline,
        insist=insist,
        environments=environments,
        sequential=sequential,
    )


def judge_ledger(
    ledger: Ledger,
    demands: Sequence[SuiteDemand],
    roles: Roles,
    baseline: str | None,
    *,
    insist: bool = False,
    environments: Environments | None = None,
    sequential: bool = False,
) -> GateReport:
    """`decide` on results that are already collected."""
    known_only(ledger, {demand.name: demand for demand in demands}, roles)
    _check_baseline(roles, baseline)
    pairing = Pairing(baseline, insist, environments or {}, sequential)
    units = {variant: _units(ledger, demands, variant, pairing) for variant in roles}
    verdicts = tuple(
        _suite_verdict(units[variant][index], role)
        for index in range(len(demands))
        for variant, role in roles.items()
        if role is VariantRole.CANDIDATE or units[variant][index].items
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
    ledger: Ledger, demands: Sequence[SuiteDemand], variant: str, pairing: Pairing
) -> list[Unit]:
    """One unit per suite. Whole suites share Holm's error budget; a part of a suite takes none."""
    units = [_unit(ledger, demand, variant, pairing) for demand in demands]
    whole = [unit for unit in units if not unit.demand.partial]
    part = [unit for unit in units if unit.demand.partial]
    tested = {**_compared(whole, pairing), **_compared(part, pairing)}
    return [replace(unit, tested=tested.get(unit.demand.name)) for unit in units]


def _compared(units: Sequence[Unit], pairing: Pairing) -> dict[str, Tested]:
    """The comparisons of the suites that have a pair, corrected together, by suite."""
    having = [(u, u.pairs) for u in units if u.pairs is not None and u.pairs.cases]
    family = [(pairs, unit.settings) for unit, pairs in having]
    looked = [sequential_test(pairs, u.items) for u, pairs in having if pairing.sequential]
    tested = compare_family(family, pairing.baseline or "", looked)
    return {unit.demand.name: seen for (unit, _), seen in zip(having, tested, strict=True)}


def _unit(ledger: Ledger, demand: SuiteDemand, variant: str, pairing: Pairing) -> Unit:
    items = ledger.of(demand.name, variant)
    baseline = None if variant == pairing.baseline else pairing.baseline
    if baseline is None:
        return Unit(demand, variant, None, items, {}, rate_of(items))
    other = ledger.of(demand.name, baseline)
    known = pairing.environments
    pairs = make_pairs(
        items,
        other,
        on=demand.gate.on,
        insist=pairing.insist,
        environments=(known.get(baseline, {}), known.get(variant, {})),
    )
    return Unit(demand, variant, baseline, items, other, rate_of(items), pairs)


def _suite_verdict(unit: Unit, role: VariantRole) -> SuiteVerdict:
    gated = role is VariantRole.CANDIDATE
    verdict: Verdict | None = None
    reasons, against = tuple(facts(unit)), 0
    if gated and not unit.demand.partial:
        verdict, reasons, against = judge(unit)
        if verdict is Verdict.PASS and nothing_demanded(unit):
            verdict, reasons = None, (NOT_KNOWN if unit.uncompared else NOTHING_DEMANDED,)
    notes = [*warnings(unit), *(without_baseline(unit) if gated else ())]
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
        against=against,
        uncompared=gated and unit.uncompared and not unit.demand.partial,
        unlike=unit.pairs.unlike if unit.pairs else (),
    )


def _worst(verdicts: Sequence[SuiteVerdict]) -> Verdict | None:
    """The worst verdict; a pass only where every suite was compared with the baseline there is."""
    found = [row.verdict for row in verdicts if row.verdict is not None]
    found += [Verdict.INCONCLUSIVE for row in verdicts if row.uncompared]
    return min(found, key=SEVERITY.__getitem__, default=None)


def _run_warnings(verdicts: Sequence[SuiteVerdict]) -> Iterator[str]:
    if open_suites := dict.fromkeys(row.suite for row in verdicts if row.uncompared):
        yield f"{names([*open_suites])}: {NOT_COMPARED}"
    if any(row.verdict is not None for row in verdicts):
        return
    candidates = [row for row in verdicts if row.role is VariantRole.CANDIDATE]
    if any(row.partial for row in candidates):
        yield "nothing was gated: only parts of suites were selected"
    elif candidates and not open_suites:
        yield "nothing was gated: no suite has a bar, and there is no baseline"
    elif not candidates:
        yield "nothing was gated: the run has no candidate"
