"""The A/A run: the baseline answers everything once more, and the noise floor is what differs.

The second time it is never answered from the store, and the cases come in another seeded order, so
that other batches and other neighbours have their effect. It informs: no verdict uses it.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.backends import Backend
from harness.evaluation.completions import Limits
from harness.evaluation.executor import Counts, execute
from harness.evaluation.plan import Plan
from harness.gate import noise_floor
from harness.results import NoiseFloor, Observer, RunInfo
from harness.store import Store, read_entry, write_entry

SEED = 1  # of the second order; the first is the order of the suites


def measure_noise(
    plan: Plan,
    backend: Backend,
    store: Store,
    info: RunInfo,
    observer: Observer,
    limits: Limits,
) -> Counts:
    """Answer the baseline's cases once more, and remember how often the outcome is another one.

    Without a baseline that answered in this run, its first variant is taken. Cases that an early
    stop spared are not asked now either. Returns what was
    answered; if the engine broke on the way, nothing is remembered. `recalled_noise` gives the
    figures.
    """
    name = _repeated(plan, info)
    asked = {(result.suite, result.case) for result in store.results(info.id)}
    again = _shuffled(plan, name, asked)
    with _empty_store(store.path.parent) as empty:
        empty.start_run(info)
        counts = execute(again, backend, empty, info.id, observer, limits)
        if counts.broken is not None:
            return counts
        first = (result for result in store.results(info.id) if result.variant == name)
        floors = noise_floor(first, empty.results(info.id))
    write_entry(store, noise_key(info.id), [_row(floor) for floor in floors])
    return counts


def recalled_noise(store: Store, run_id: str) -> tuple[NoiseFloor, ...]:
    """The noise floor that was measured with this run; empty where none was."""
    rows: Any = read_entry(store, noise_key(run_id)) or []
    return tuple(NoiseFloor(**{**row, "flaky": tuple(row["flaky"])}) for row in rows)


@contextmanager
def _empty_store(beside: Path) -> Iterator[Store]:
    """A store in which no answer can be found; it goes when it has been read."""
    with (
        tempfile.TemporaryDirectory(dir=beside, prefix="aa-") as folder,
        Store(Path(folder) / "aa.db") as store,
    ):
        yield store


def _repeated(plan: Plan, info: RunInfo) -> str:
    names = dict.fromkeys(trial.variant.name for trial in plan.trials)
    if info.baseline in names:
        return str(info.baseline)
    return next(iter(names), "")


def _shuffled(plan: Plan, name: str, asked: Container[tuple[str, str]]) -> Plan:
    trials = [
        trial
        for trial in plan.trials
        if trial.variant.name == name and (trial.case.suite, trial.case.id) in asked
    ]
    random.Random(SEED).shuffle(trials)
    return replace(plan, trials=tuple(trials), skipped=())


def noise_key(run_id: str) -> str:
    """The key of a run's noise floor in the journal."""
    return f"noise/{run_id}"


def _row(floor: NoiseFloor) -> dict[str, Any]:
    return {**asdict(floor), "flaky": list(floor.flaky)}
