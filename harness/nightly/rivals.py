"""One night against its rivals: the gate of the run itself, last night, a pinned baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.comparing import judge_sides
from harness.errors import HarnessError
from harness.gate import Comparison, SuiteVerdict, Verdict
from harness.nightly.values import Finding, Night, NightRate, Rival
from harness.session import RunReport
from harness.settings import Settings
from harness.sides import find_sides
from harness.variants import VariantRole


@dataclass(frozen=True, slots=True)
class Found:
    """What comparisons found, and what kept others from being made."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def rates_of(report: RunReport) -> Iterator[NightRate]:
    """The rates of a run, for the trend."""
    signatures = {card.name: card.signature for card in report.scorecard.variants}
    for row in report.gate.suites:
        rate = row.rate
        if rate.n and not row.partial:
            yield NightRate(
                suite=row.suite,
                category=row.category,
                variant=row.variant,
                n=rate.n,
                passed=rate.passed,
                pass_rate=rate.pass_rate,
                low=rate.low,
                high=rate.high,
                run=report.info.id,
                signature=signatures.get(row.variant, ""),
            )


def own_findings(report: RunReport) -> Iterator[Finding]:
    """What the gate of the run says: bars, and the comparison with the run's baseline, if any."""
    for row in report.gate.suites:
        if row.role is VariantRole.CANDIDATE:
            alone = report.info.baseline is None or row.uncompared
            rival = Rival.BARS if alone else Rival.BASELINE
            yield _finding(rival, row, row.verdict, f"harness show {report.info.id}")


def against_last_night(settings: Settings, night: Night, last: Night) -> Found:
    """Every variant against itself in the night before."""
    then = {rate.variant: rate.run for rate in last.rates}
    now = {rate.variant: rate.run for rate in night.rates}
    pairs = [(v, f"{then[v]}:{v}", f"{run}:{v}") for v, run in now.items() if v in then]
    return _all(settings, Rival.LAST_NIGHT, pairs)


def against_pinned(settings: Settings, night: Night, pinned: Path) -> Found:
    """Every variant against a committed baseline."""
    now = {rate.variant: rate.run for rate in night.rates}
    pairs = [(v, str(settings.path(pinned)), f"{run}:{v}") for v, run in now.items()]
    return _all(settings, Rival.PINNED, pairs)


def _all(settings: Settings, rival: Rival, pairs: list[tuple[str, str, str]]) -> Found:
    findings: list[Finding] = []
    notes: list[str] = []
    for variant, old, new in pairs:
        try:
            findings += _compared(settings, rival, variant, old, new)
        except HarnessError as error:
            notes.append(f"{variant} was not compared with {_name(rival)}: {_line(error)}")
    return Found(tuple(findings), tuple(notes))


def _compared(
    settings: Settings, rival: Rival, variant: str, old: str, new: str
) -> Iterator[Finding]:
    before, after = find_sides(settings, [old, new])
    name = rival.value.replace(" ", "-")
    sides = (replace(before, name=name), replace(after, name=variant))
    gate, _ = judge_sides(sides)
    for row in gate.suites:
        if row.role is VariantRole.CANDIDATE:
            yield _finding(rival, row, _paired_verdict(row), f"harness compare {old} {new}")


def _paired_verdict(row: SuiteVerdict) -> Verdict | None:
    """What the pairs say; bars and errors are the business of the run's own gate."""
    if row.comparison is None:
        return None
    if row.verdict in (Verdict.REGRESSED, Verdict.INCONCLUSIVE):
        return row.verdict
    return Verdict.PASS


def _finding(rival: Rival, row: SuiteVerdict, verdict: Verdict | None, command: str) -> Finding:
    seen: Comparison | None = row.comparison
    return Finding(
        rival=rival,
        suite=row.suite,
        variant=row.variant,
        verdict=verdict,
        delta=seen.delta if seen else None,
        low=seen.low if seen else None,
        reasons=(*row.reasons, *(row.warnings if seen is None else ())),
        worse=seen.worse if seen else (),
        better=len(seen.better) if seen else 0,
        command=command,
    )


def _name(rival: Rival) -> str:
    return "the pinned baseline" if rival is Rival.PINNED else rival.value


def _line(error: HarnessError) -> str:
    return "; ".join(" ".join(str(problem).split()) for problem in error.problems)
