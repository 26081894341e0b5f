"""The candidates of a night compared with each other, whichever run they answered in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.errors import InputError
from harness.gate import EARLY_STOP, PairwiseComparison, compare_pairwise
from harness.gate_settings import GateSettings
from harness.nightly.values import Night
from harness.runner import Result, RunInfo, Store, VariantInfo
from harness.settings import Settings
from harness.variants import VariantRole


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparisons, and what kept variants out of them."""

    rows: tuple[PairwiseComparison, ...]
    notes: tuple[str, ...]


def among_themselves(settings: Settings, night: Night) -> Compared:
    """Every two candidates on every suite that both answered in full."""
    with Store(settings.path(settings.store)) as store:
        runs = {run_id: _run(store, run_id) for run_id in night.runs.values()}
        whole = [run for run in runs.values() if run and EARLY_STOP not in run.execution]
        candidates = {variant.name: variant for run in whole for variant in _candidates(run)}
        rows = compare_pairwise(
            _results(store, whole, night) if len(candidates) > 1 else (),
            tuple(candidates),
            _bars(whole),
            {name: variant.environment for name, variant in candidates.items()},
        )
    return Compared(rows, tuple(_notes(runs)))


def _run(store: Store, run_id: str) -> RunInfo | None:
    try:
        return store.run(run_id)
    except InputError:
        return None  # pruned since: nothing of it can be compared


def _candidates(run: RunInfo) -> list[VariantInfo]:
    return [variant for variant in run.variants if variant.role is VariantRole.CANDIDATE]


def _bars(runs: list[RunInfo]) -> Mapping[str, GateSettings]:
    return {suite.name: suite.gate for run in runs for suite in run.suites}


def _results(store: Store, runs: list[RunInfo], night: Night) -> Iterator[Result]:
    """What the candidates answered, of the suites that have a rate: those that were run whole."""
    rated = {(rate.suite, rate.variant, rate.run) for rate in night.rates}
    for run in runs:
        names = {variant.name for variant in _candidates(run)}
        for result in store.results(run.id):
            if result.variant in names and (result.suite, result.variant, run.id) in rated:
                yield result


def _notes(runs: Mapping[str, RunInfo | None]) -> Iterator[str]:
    for run_id, run in runs.items():
        if run is None:
            yield f"the variants of run {run_id} were not compared with others: it was removed"
        elif EARLY_STOP in run.execution and len(_candidates(run)) > 1:
            yield (
                f"the variants of run {run_id} were not compared with each other: "
                "it could stop early, so that only its own gate may look at it"
            )
