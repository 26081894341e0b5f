"""The nights of a series, in the journal of the store."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.again import noise_key
from harness.nightly.values import Night, night_from_json, night_to_json
from harness.reports import rates_key
from harness.runner import Store, drop_runs, read_entries, strike_entries, write_entry


def keep_night(store: Store, night: Night) -> None:
    """Write a night; the same night is replaced."""
    write_entry(store, _key(night), night_to_json(night))


def past_nights(store: Store, series: str) -> tuple[Night, ...]:
    """The nights of a series, oldest first, the unfinished among them."""
    rows = read_entries(store, f"night/{series}/").values()
    return tuple(night_from_json(row) for row in rows if isinstance(row, dict))


def forget_nights(store: Store, series: str, keep: int, reports: Path) -> int:
    """Remove all but the newest `keep` nights, with their runs and reports; returns how many."""
    nights = past_nights(store, series)
    old = nights[: max(0, len(nights) - keep)]
    wanted = {run for night in nights[len(old) :] for run in night.runs.values()}
    runs = [run for night in old for run in night.runs.values() if run not in wanted]
    if old:
        drop_runs(store, runs)
        gone = [*map(_key, old), *map(rates_key, runs), *map(noise_key, runs)]
        strike_entries(store, gone)
    for run in runs:
        if (reports / run / "scorecard.json").is_file():
            shutil.rmtree(reports / run, ignore_errors=True)
    return len(old)


def _key(night: Night) -> str:
    return f"night/{night.series}/{night.id}"
