"""One night against its rivals: the gate of the run itself, last night, a pinned baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.comparing import judge_sides
from harness.errors import HarnessError
from harness.gate import Comparison, SuiteVerdict, Verdict
from harness.nightly.series import (
    Meeting,
    meetings_with_past,
    meetings_with_pinned,
    series_notes,
)
from harness.nightly.uncompared import Uncompared, notes_of, uncompared
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


def against_last_night(settings: Settings, night: Night, past: Sequence[Night]) -> Found:
    """Every variant against itself in the last night that has it; `past` is oldest first."""
    found = _all(settings, Rival.LAST_NIGHT, meetings_with_past(night, past))
    return Found(found.findings, (*series_notes(night, past), *found.notes))


def against_pinned(settings: Settings, night: Night, pinned: Path) -> Found:
    """Every variant against a committed baseline."""
    return _all(settings, Rival.PINNED, meetings_with_pinned(night, settings.path(pinned)))


def _all(settings: Settings, rival: Rival, meetings: Iterable[Meeting]) -> Found:
    findings: list[Finding] = []
    left_out: list[Uncompared] = []
    notes: list[str] = []
    for meeting in meetings:
        try:
            seen, unseen = _compared(settings, rival, meeting)
        except HarnessError as error:
            what = f"{meeting.variant} was not compared with {meeting.since}"
            notes.append(f"{what}: {_line(error)}")
            continue
        findings += seen
        left_out += unseen
    return Found(tuple(findings), (*notes, *notes_of(left_out)))


def _compared(
    settings: Settings, rival: Rival, meeting: Meeting
) -> tuple[list[Finding], list[Uncompared]]:
    before, after = find_sides(settings, [meeting.before, meeting.after])
    name = rival.value.replace(" ", "-")
    before, after = replace(before, name=name), replace(after, name=meeting.variant)
    gate, _ = judge_sides((before, after))
    rows = [
        row
        for row in gate.suites
        if row.role is VariantRole.CANDIDATE and row.suite in meeting.suites
    ]
    command = f"harness compare {meeting.before} {meeting.after}"
    findings = [_finding(rival, row, _paired_verdict(row), command) for row in rows]
    return findings, list(uncompared(before, after, rows, meeting.since))


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


def _line(error: HarnessError) -> str:
    return "; ".join(" ".join(str(problem).split()) for problem in error.problems)
