"""What earlier runs of the same suites and variants gave: the line behind today's rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.common import JsonValue
from harness.gate import Verdict
from harness.reports.scorecard import Past, Scorecard, Trend
from harness.store import Store, read_entries, read_entry, write_entry

MOST = 20  # earlier runs in a line: more would be a smear
_KEY = "rates/"


def keep_rates(store: Store, scorecard: Scorecard) -> None:
    """Keep the rates of a run for the scorecards of later ones; parts of suites are left out."""
    run = scorecard.run
    rows: list[JsonValue] = [
        {
            "suite": row.suite,
            "variant": row.variant,
            "pass_rate": row.pass_rate,
            "verdict": row.gate.verdict.value if row.gate else None,
        }
        for row in scorecard.categories
        if not row.partial and row.n
    ]
    entry: JsonValue = {
        "started": run.started,
        "backend": run.backend,
        "verdict": scorecard.verdict.value if scorecard.verdict else None,
        "rows": rows,
    }
    write_entry(store, rates_key(run.id), entry)


def kept_verdict(store: Store, run_id: str) -> Verdict | None:
    """The verdict of an earlier run as it was; None where nothing was gated, or kept."""
    entry: Any = read_entry(store, rates_key(run_id)) or {}
    verdict = entry.get("verdict")
    return None if verdict is None else Verdict(verdict)


def rates_key(run_id: str) -> str:
    """The key of a run's rates in the journal."""
    return f"{_KEY}{run_id}"


def past_rates(store: Store, run_id: str, backend: str) -> tuple[Trend, ...]:
    """The newest `MOST` rates of each suite and variant, oldest first, from runs before this one.

    Variants are known by their names: an adapter that was trained again goes on with its line.
    """
    lines: dict[tuple[str, str], list[Past]] = {}
    for key, past in _before(read_entries(store, _KEY), run_id, backend):
        lines.setdefault(key, []).append(past)
    return tuple(
        Trend(suite=suite, variant=variant, points=tuple(points[-MOST:]))
        for (suite, variant), points in lines.items()
    )


def _before(
    entries: Mapping[str, Any], run_id: str, backend: str
) -> Iterator[tuple[tuple[str, str], Past]]:
    for key, entry in entries.items():
        name = key.removeprefix(_KEY)
        if name == run_id:
            return
        if entry["backend"] == backend:
            yield from _points(name, entry["started"], entry["rows"])


def _points(
    name: str, started: str, rows: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[tuple[str, str], Past]]:
    for row in rows:
        key = (row["suite"], row["variant"])
        rate, verdict = row["pass_rate"], row["verdict"]
        yield key, Past(run=name, started=started, pass_rate=rate, verdict=verdict)
