"""Early stop: cases in a balanced order, some at a time, until a regression is shown.

A suite stops when every candidate has regressed in it; the others go on. The test that allows
looking so often replaces the final one in the whole run (see `harness.gate.sequential`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from harness.common import VariantRole
from harness.evaluation.completions import Limits
from harness.evaluation.executor import Counts
from harness.evaluation.plan import Plan
from harness.evaluation.trial import Trial
from harness.gate import EARLY_STOP, GateReport, Verdict, balanced_order
from harness.gate.sequential import METHOD
from harness.results import Event, Finished, Observer, Planned, RunInfo

LOOK = 25  # cases of a suite between two looks: fewer would starve an engine that batches
SEED = 1  # of the order

Ask = Callable[[Plan, Observer, Limits], Counts]
Judge = Callable[[Mapping[str, int]], GateReport]


@dataclass(frozen=True)
class Stopped:
    """What a run with early stop asked: counts, the cases asked by suite, those not asked.

    `spared` counts cases of suites that stopped, `answers` the trials that were not asked.
    `schedule` says when one looked.
    """

    counts: Counts
    asked: Mapping[str, int]
    spared: Mapping[str, int] = field(default_factory=dict)
    answers: int = 0
    schedule: str = ""


def answer_early(
    plan: Plan,
    ask: Ask,
    judge: Judge,
    observer: Observer,
    limits: Limits,
    *,
    reloads: bool = False,
) -> Stopped:
    """Ask the cases of a plan, look after every `LOOK` cases of a suite, stop where it is shown.

    `judge` is given the cases asked so far, by suite, and says what the gate makes of them. Where
    going on after a look loads models again (`reloads`), each look waits for twice as many cases:
    the test holds whenever one looks.
    """
    growth = 2 if reloads else 1
    waves = {suite: list(_waves(units, growth)) for suite, units in _ordered(plan).items()}
    total = len(plan.trials)
    observer(Planned(total, sum(len(trial.case.turns) for trial in plan.trials)))
    counts, asked, open_suites = Counts(), dict.fromkeys(waves, 0), set(waves)
    ends = time.monotonic() + limits.run if limits.run else None
    skipped = plan.skipped
    for look in range(max(map(len, waves.values()), default=0)):
        taken = [suite for suite in waves if suite in open_suites and look < len(waves[suite])]
        if not taken:
            break
        trials = tuple(trial for suite in taken for trial in waves[suite][look])
        part = replace(plan, trials=trials, skipped=skipped)
        left = replace(limits, run=max(ends - time.monotonic(), 0.001)) if ends else limits
        counts, skipped = counts + ask(part, _quiet(observer), left), ()
        for suite in taken:
            asked[suite] += len({trial.case.id for trial in waves[suite][look]})
        if counts.broken:
            break
        open_suites -= _shown(judge(asked), taken)
    observer(Finished(counts.generated, counts.cached))
    stopped = _stopped(plan, counts, asked, set(waves) - open_suites)
    return replace(stopped, schedule=_schedule(growth))


def so_far(info: RunInfo, asked: Mapping[str, int]) -> RunInfo:
    """The record as if the cases asked so far were all; part of a suite stays a part."""
    suites = [
        replace(suite, cases=asked.get(suite.name, 0), selected=asked.get(suite.name, 0))
        if suite.selected == suite.cases
        else suite
        for suite in info.suites
    ]
    return replace(info, suites=tuple(suites), execution={EARLY_STOP: METHOD})


def note_stop(info: RunInfo, stopped: Stopped) -> RunInfo:
    """The record of the run: what was not asked, and what that spared."""
    notes = [
        f"{suite} stopped after {stopped.asked[suite]} of {stopped.asked[suite] + spared} cases: "
        "a regression was shown; its figures cover what was asked"
        for suite, spared in stopped.spared.items()
    ]
    total = stopped.answers + stopped.counts.generated + stopped.counts.cached
    if notes:
        share = 100 * stopped.answers / max(total, 1)
        notes.append(f"early stop spared {stopped.answers:,} of {total:,} answers ({share:.0f} %)")
    suites = [
        replace(suite, cases=suite.cases - spared, selected=suite.selected - spared)
        if (spared := stopped.spared.get(suite.name, 0))
        else suite
        for suite in info.suites
    ]
    execution = {**info.execution, EARLY_STOP: f"every {LOOK} cases of a suite; {METHOD}"}
    notes = [*info.notes, *notes]
    return replace(info, suites=tuple(suites), notes=tuple(notes), execution=execution)


def _ordered(plan: Plan) -> dict[str, list[list[Trial]]]:
    """By suite: the trials of each unit (a cluster, or a case alone) in the order of asking.

    Positions follow that order, so that stored results tell in which order one looked.
    """
    units: dict[str, dict[str, list[Trial]]] = {}
    strata: dict[str, dict[str, str]] = {}
    for trial in plan.trials:
        case = trial.case
        unit = f"cluster {case.cluster}" if case.cluster is not None else f"case {case.id}"
        units.setdefault(case.suite, {}).setdefault(unit, []).append(trial)
        strata.setdefault(case.suite, {})[unit] = next(iter(case.tags), "")
    places = count(1 + max((skip.trial.position for skip in plan.skipped), default=-1))
    return {
        suite: [
            [replace(trial, position=next(places)) for trial in units[suite][unit]]
            for unit in balanced_order(strata[suite], SEED)
        ]
        for suite in units
    }


def _waves(units: Sequence[list[Trial]], growth: int) -> Iterator[list[Trial]]:
    """Whole units, about `LOOK` cases together, and each time `growth` times as many."""
    wave: list[Trial] = []
    size = LOOK
    for unit in units:
        wave += unit
        if len({trial.case.id for trial in wave}) >= size:
            yield wave
            wave, size = [], size * growth
    if wave:
        yield wave


def _schedule(growth: int) -> str:
    if growth == 1:
        return f"every {LOOK} cases of a suite"
    looks = [LOOK * (growth**n - 1) // (growth - 1) for n in (1, 2, 3)]
    return f"after {', '.join(map(str, looks))}, ... cases of a suite"


def _shown(report: GateReport, suites: Sequence[str]) -> set[str]:
    """The suites in which every candidate has regressed."""
    rows = [row for row in report.suites if row.role is VariantRole.CANDIDATE]
    return {
        suite
        for suite in suites
        if {row.verdict for row in rows if row.suite == suite} == {Verdict.REGRESSED}
    }


def _stopped(plan: Plan, counts: Counts, asked: Mapping[str, int], shown: set[str]) -> Stopped:
    cases: dict[str, set[str]] = {}
    for trial in plan.trials:
        cases.setdefault(trial.case.suite, set()).add(trial.case.id)
    spared = {s: len(cases[s]) - asked[s] for s in cases if s in shown and asked[s] < len(cases[s])}
    share = {
        suite: sum(t.case.suite == suite for t in plan.trials) // len(cases[suite])
        for suite in spared
    }
    answers = sum(share[suite] * number for suite, number in spared.items())
    return Stopped(counts, asked, spared, answers)


def _quiet(observer: Observer) -> Observer:
    """Each part of the run would announce itself as a whole one."""

    def tell(event: Event) -> None:
        if not isinstance(event, Planned | Finished):
            observer(event)

    return tell
