"""Runs by what people type: an id, the beginning of one, or `latest`."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from harness.common import InputError, Problem, first_of
from harness.results import RunInfo
from harness.store.journal import rates_key, read_entries
from harness.store.store import RunNotFoundError, RunRemovedError, Store

LATEST = "latest"
ALIKE = 0.9  # ids share their date with each other: less than this is another run
SHOWN = 5  # ids in a message


def find_run(
    store: Store, text: str, *, passes_over: Callable[[RunInfo], bool] = lambda run: False
) -> RunInfo:
    """Return the run that `text` means: its id, the beginning of one, or `latest`.

    `latest` is the newest run that finished: one that broke or was stopped holds a part of its
    results, or none. It also passes over the runs for which `passes_over` is true. Where only such
    runs are there, it is the newest of all. Raises RunNotFoundError for none, and InputError for
    several. The rates of a run that was removed are still known: RunRemovedError.
    """
    runs = store.runs()
    if text == LATEST and runs:
        wanted = [run for run in runs if not passes_over(run)] or runs
        return next((run for run in wanted if run.finished), wanted[0])
    found = [run for run in runs if run.id == text] or [
        run for run in runs if text and run.id.startswith(text)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        ids = [run.id for run in found]
        raise InputError(
            Problem(
                f"{text!r} is the beginning of {len(ids)} runs",
                found=first_of(ids, SHOWN),
                hint="type more of the id",
            )
        )
    gone = [key.removeprefix(rates_key("")) for key in read_entries(store, rates_key(text))]
    if len(gone) == 1:
        raise RunRemovedError(
            Problem(
                f"run {gone[0]} was removed from the store, by `harness cache prune` or by a night",
                str(store.path),
                hint=f"its report may still be there: reports/{gone[0]}/scorecard.html",
            )
        )
    close = get_close_matches(text, [run.id for run in runs], n=1, cutoff=ALIKE)
    raise RunNotFoundError(
        Problem(
            f"no run is called {text!r}",
            found="" if runs else "no run at all",
            did_you_mean=next(iter(close), ""),
            hint="`harness runs` lists them; `latest` is the newest that finished",
        )
    )
