"""What people said of the answers of a run, those of a baseline from elsewhere among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.evaluation.baseline import StoredVariant
from harness.results import Result, Reviewed, RunInfo, reviewed
from harness.store import Store, read_judgements


def answers_of(store: Store, info: RunInfo, earlier: StoredVariant | None) -> Iterator[Result]:
    """Yield the results of a run, then those of its baseline from elsewhere, under its name."""
    yield from store.results(info.id)
    if earlier is not None and info.baseline is not None:
        suites = {suite.name for suite in info.suites}
        for result in earlier.results():
            if result.suite in suites:
                yield replace(result, variant=info.baseline)


def recalled_people(store: Store, info: RunInfo, earlier: StoredVariant | None) -> Reviewed:
    """Return what people said of these answers, in whatever run they judged them."""
    rows = read_judgements(store, (suite.name for suite in info.suites))
    return reviewed(rows, answers_of(store, info, earlier))
