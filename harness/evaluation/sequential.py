"""Early stop: cases in a balanced order, some at a time, until a regression is shown.

A suite stops when every candidate has regressed in it; the others go on. The test that allows
looking so often replaces the final one in the whole run (see `harness.gate.sequential`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import count

from harness.evaluation.completions import Limits
from harness.evaluation.executor import Counts, Take
from harness.evaluation.plan import Plan
from harness.evaluation.trial import Trial
from harness.gate import EARLY_STOP, METHOD, balanced_order
from harness.results import Event, Finished, Observer, Planned, Result, RunInfo

LOOK = 25  # cases of a suite between two looks: fewer would starve an engine that batches
SEED = 1  # of the order

Ask = Callable[[Plan, Observer, Limits, Take], Counts]
Look = Callable[[Sequence[Result], Mapping[str, int]], AbstractSet[str]]


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
    look: Look,
    observer: Observer,
    limits: Limits,
    *,
    reloads: bool = False,
) -> Stopped:
    """Ask the cases of a plan, look after every `LOOK` cases of a suite, stop where it is shown.

    `ask` executes a part of the plan. `look` is given the results since the last look, in their
    order, and the cases asked so far, by suite; it returns the suites in which every candidate has
    regressed. Where going on after a look loads models again (`reloads`), each look waits for
    twice as many cases: the test holds whenever one looks.
    """
    growth = 2 if reloads else 1
    waves = {suite: list(_waves(units, growth)) for suite, units in _ordered(plan).items()}
    observer(Planned(len(plan.trials), sum(len(trial.case.turns) for trial in plan.trials)))
    counts, asked, open_suites = Counts(), dict.fromkeys(waves, 0), set(waves)
    ends = time.monotonic() + limits.run if limits.run else None
    skipped = plan.skipped

    def quiet(event: Event) -> None:
        """Pass events on; each part of the run would announce itself as a whole one."""
        if not isinstance(event, Planned | Finished):
            observer(event)

    for number in range(max(map(len, waves.values()), default=0)):
        taken = [s for s in waves if s in open_suites and number < len(waves[s])]
        if not taken:
            break
        trials = tuple(trial for suite in taken for trial in waves[suite][number])
        part = replace(plan, trials=trials, skipped=skipped)
        left = replace(limits, run=max(ends - time.monotonic(), 0.001)) if ends else limits
        arrived: dict[int, Result] = {}
        counts, skipped = counts + ask(part, quiet, left, arrived.__setitem__), ()
        for suite in taken:
            asked[suite] += len({trial.case.id for trial in waves[suite][number]})
        if counts.broken:
            break
        shown = look([arrived[place] for place in sorted(arrived)], asked)
        open_suites -= shown & set(taken)
    observer(Finished(counts.generated, counts.cached))
    cases: dict[str, set[str]] = {}
    for trial in plan.trials:
        cases.setdefault(trial.case.suite, set()).add(trial.case.id)
    spared = {s: n for s in cases if s not in open_suites and (n := len(cases[s]) - asked[s]) > 0}
    share = {
        suite: sum(t.case.suite == suite for t in plan.trials) // len(cases[suite])
        for suite in spared
    }
    answers = sum(share[suite] * number for suite, number in spared.items())
    schedule = f"every {LOOK} cases of a suite"
    if growth > 1:
        looks = [LOOK * (growth**n - 1) // (growth - 1) for n in (1, 2, 3)]
        schedule = f"after {', '.join(map(str, looks))}, ... cases of a suite"
    return Stopped(counts, asked, spared, answers, schedule)


def note_stop(info: RunInfo, stopped: Stopped) -> RunInfo:
    """Return the record of the run with what was not asked, and what that spared."""
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
    execution = {**info.execution, EARLY_STOP: f"{stopped.schedule}; {METHOD}"}
    notes = [*info.notes, *notes]
    return replace(info, suites=tuple(suites), notes=tuple(notes), execution=execution)


def _ordered(plan: Plan) -> dict[str, list[list[Trial]]]:
    """Order the trials by suite and unit (a cluster, or a case alone), as they are asked.

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
