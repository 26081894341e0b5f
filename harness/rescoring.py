"""An earlier run under today's suites and checks: its answers are scored and gated again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.gate import GateReport
from harness.judging import open_judges
from harness.runner import Rescored, RunInfo, existing_store, find_run, rescore
from harness.selection import load_selected
from harness.session import decide_run, exit_code
from harness.settings import Settings


@dataclass(frozen=True)
class RescoreReport:
    """Today's checks on the answers of an earlier run; nothing of it is stored.

    `verdicts` are lines "suite, variant: before → after" for verdicts that change.
    """

    info: RunInfo
    total: int
    changed: tuple[Rescored, ...]
    verdicts: tuple[str, ...]
    exit_code: int


def rescore_run(settings: Settings, name: str, named: Sequence[str] = ()) -> RescoreReport:
    """Score a stored run again with the suites as they are now, and gate both."""
    suites = load_selected(named, settings)
    with existing_store(settings.path(settings.store)) as store:
        info = find_run(store, name)
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
        exit_code=exit_code(after),
    )


def _changed_verdicts(before: GateReport, after: GateReport) -> Iterator[str]:
    old = {(row.suite, row.variant): row.verdict for row in before.suites}
    for row in after.suites:
        was = old.get((row.suite, row.variant))
        if was is not row.verdict:
            now = row.verdict or "no verdict"
            yield f"{row.suite}, {row.variant}: {was or 'no verdict'} → {now}"
