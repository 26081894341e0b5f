"""The A/A run: the baseline answers everything once more, and the noise floor is what differs.

The second time it is never answered from the store, and the cases come in another seeded order, so
that other batches and other neighbours have their effect. It informs: no verdict uses it.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.backends import Backend
from harness.common import JsonValue
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
    stop spared are not asked now either. Returns what was answered; if the engine broke on the
    way, nothing is remembered. `recalled_noise` gives the figures.
    """
    names = dict.fromkeys(trial.variant.name for trial in plan.trials)
    name = info.baseline if info.baseline in names else next(iter(names), "")
    asked = {(result.suite, result.case) for result in store.results(info.id)}
    trials = [
        trial
        for trial in plan.trials
        if trial.variant.name == name and (trial.case.suite, trial.case.id) in asked
    ]
    random.Random(SEED).shuffle(trials)
    repeated = replace(plan, trials=tuple(trials), skipped=())
    # In a store of its own, no answer can be found.
    with (
        tempfile.TemporaryDirectory(dir=store.path.parent, prefix="aa-") as folder,
        Store(Path(folder) / "aa.db") as empty,
    ):
        empty.start_run(info)
        counts = execute(repeated, backend, empty, info.id, observer, limits)
        if counts.broken is not None:
            return counts
        first = (result for result in store.results(info.id) if result.variant == name)
        floors = noise_floor(first, empty.results(info.id))
    rows: list[JsonValue] = [{**asdict(floor), "flaky": list(floor.flaky)} for floor in floors]
    write_entry(store, noise_key(info.id), rows)
    return counts


def recalled_noise(store: Store, run_id: str) -> tuple[NoiseFloor, ...]:
    """Return the noise floor that was measured with this run; empty where none was."""
    rows: Any = read_entry(store, noise_key(run_id)) or []
    return tuple(NoiseFloor(**{**row, "flaky": tuple(row["flaky"])}) for row in rows)


def noise_key(run_id: str) -> str:
    """Return the key of a run's noise floor in the journal."""
    return f"noise/{run_id}"
