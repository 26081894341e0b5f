"""An earlier run under today's suites and checks: its answers are scored and gated again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InputError, Problem
from harness.gate import GateReport, Verdict
from harness.judging import open_judges
from harness.reports import build_scorecard
from harness.reports.words import label
from harness.runner import Rescored, RunInfo, existing_store, find_run, rescore
from harness.selection import load_selected
from harness.session import decide_run, exit_code
from harness.settings import Settings
from harness.suites import Suite


@dataclass(frozen=True)
class RescoreReport:
    """Today's checks on the answers of an earlier run; nothing of it is stored.

    `verdicts` are lines "suite, variant: before → after" for verdicts that change; `summary` says
    what the gate says of each candidate under today's checks.
    """

    info: RunInfo
    total: int
    changed: tuple[Rescored, ...]
    verdicts: tuple[str, ...]
    summary: tuple[str, ...]
    verdict: Verdict | None
    exit_code: int


def rescore_run(settings: Settings, name: str, named: Sequence[str] = ()) -> RescoreReport:
    """Score a stored run again with the suites as they are now, and gate both.

    Without names, the suites are those of the run. Raises InputError where one of them is gone, or
    where a named one leaves out what the run has.
    """
    with existing_store(settings.path(settings.store)) as store:
        info = find_run(store, name)
        suites = load_selected(named or _files(info, settings), settings)
        _check_all_there(info, suites)
        before = decide_run(settings, info, store.results(info.id))
        with open_judges(settings, (case for suite in suites for case in suite.cases)) as judges:
            tags = settings.reasoning_tags
            again = list(rescore(info.id, suites, store, judges=judges, tags=tags))
        after = decide_run(settings, info, (rescored.after for rescored in again))
    return RescoreReport(
        info=info,
        total=len(again),
        changed=tuple(rescored for rescored in again if rescored.changed),
        verdicts=tuple(_changed_verdicts(before, after)),
        summary=tuple(_summary(info, after)),
        verdict=after.verdict,
        exit_code=exit_code(after),
    )


def _summary(info: RunInfo, gate: GateReport) -> Iterator[str]:
    """The verdict on each candidate in words; why there is none, where nothing is gated."""
    scorecard = build_scorecard(info, gate)
    for card in scorecard.candidates():
        yield f"{label(card.verdict).upper()}: {card.summary}"
    yield from (f"warning: {text}" for text in scorecard.warnings)


def _files(info: RunInfo, settings: Settings) -> list[str]:
    """The suites of the run where they were then: in the project, or from the working directory."""
    places = {s.name: (settings.path(s.path), Path(s.path)) for s in info.suites}
    found = {n: next((p for p in some if p.is_file()), None) for n, some in places.items()}
    gone = [suite for suite in info.suites if found[suite.name] is None]
    if gone:
        raise InputError(
            *(
                Problem(
                    f"suite {suite.name} of run {info.id} is not there any more",
                    path=suite.path,
                    mend=f"name the files where the suites are now: harness rescore {info.id} FILE",
                )
                for suite in gone
            )
        )
    return [str(path) for path in found.values()]


def _check_all_there(info: RunInfo, suites: Sequence[Suite]) -> None:
    """A suite left out would turn all of its results into errors."""
    known = {suite.name for suite in suites}
    missing = [suite.name for suite in info.suites if suite.name not in known]
    if missing:
        raise InputError(
            Problem(
                f"run {info.id} has suites that are not named: {', '.join(missing)}",
                found=", ".join(sorted(known)),
                mend=f"name all of them, or none: harness rescore {info.id}",
            )
        )


def _changed_verdicts(before: GateReport, after: GateReport) -> Iterator[str]:
    old = {(row.suite, row.variant): row.verdict for row in before.suites}
    for row in after.suites:
        was = old.get((row.suite, row.variant))
        if was is not row.verdict:
            now = row.verdict or "no verdict"
            yield f"{row.suite}, {row.variant}: {was or 'no verdict'} → {now}"
