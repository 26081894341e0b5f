"""What earlier runs of the same suites and variants gave: the line behind today's rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from harness.common import JsonValue, digest
from harness.reports.scorecard import Scorecard
from harness.results import Basis, Past, SuiteResult, Trend, Verdict
from harness.store import Store, rates_key, read_entries, read_entry, write_entry

MOST = 20  # earlier runs in a line: more would be a smear


def keep_rates(store: Store, scorecard: Scorecard) -> None:
    """Keep the rates of a run for the scorecards of later ones; parts of suites are left out."""
    run, verdict = scorecard.run, scorecard.gate.verdict
    rows: list[JsonValue] = [
        {
            "suite": row.suite,
            "variant": row.variant,
            "pass_rate": row.rate.pass_rate,
            "basis": asdict(basis_of(scorecard, row)),
            "verdict": row.verdict.value if row.verdict else None,
        }
        for row in scorecard.gate.suites
        if not row.partial and row.rate.n and not row.rate.broken
    ]
    entry: JsonValue = {
        "started": run.started,
        "backend": run.backend,
        "verdict": verdict.value if verdict else None,
        "rows": rows,
    }
    write_entry(store, rates_key(run.id), entry)


def basis_of(scorecard: Scorecard, row: SuiteResult) -> Basis:
    """Return what a rate was made under, with the model and what the variant overrides."""
    (info,) = (each.info for each in scorecard.variants if each.name == row.variant)
    made_of = [info.weights, info.adapter_hash, info.system, dict(info.sampling)]
    made_of += [info.chat_template, dict(info.chat_template_args)]
    return replace(row.basis, model=digest(made_of, 12))


def kept_verdict(store: Store, run_id: str) -> Verdict | None:
    """Return the verdict of an earlier run as it was; None where nothing was gated, or kept."""
    entry: Any = read_entry(store, rates_key(run_id)) or {}
    verdict = entry.get("verdict")
    return None if verdict is None else Verdict(verdict)


def kept_rates(store: Store, run_id: str) -> dict[tuple[str, str], Past]:
    """Return the rates of one run by suite and variant; empty where none were kept."""
    entry: Any = read_entry(store, rates_key(run_id))
    return dict(_points(run_id, entry)) if entry else {}


def past_rates(store: Store, run_id: str, backend: str) -> tuple[Trend, ...]:
    """Return the newest `MOST` rates of each suite and variant before this run, oldest first.

    Variants are known by their names: an adapter that was trained again goes on with its line.
    """
    lines: dict[tuple[str, str], list[Past]] = {}
    entries: Mapping[str, Any] = read_entries(store, rates_key(""))
    for key, entry in entries.items():
        name = key.removeprefix(rates_key(""))
        if name == run_id:
            break
        for line, past in _points(name, entry) if entry["backend"] == backend else ():
            lines.setdefault(line, []).append(past)
    return tuple(
        Trend(suite, variant, tuple(points[-MOST:])) for (suite, variant), points in lines.items()
    )


def all_rates(store: Store) -> dict[tuple[str, str, str], tuple[Past, ...]]:
    """Return every rate that was kept, oldest first, by suite, variant and backend.

    The lines that were added to last come first. Rates stay when their runs are pruned.
    """
    lines: dict[tuple[str, str, str], list[Past]] = {}
    entries: dict[str, Any] = read_entries(store, rates_key(""))
    for key, entry in reversed(entries.items()):
        for line, past in _points(key.removeprefix(rates_key("")), entry):
            lines.setdefault((*line, entry["backend"]), []).append(past)
    return {line: tuple(reversed(points)) for line, points in lines.items()}


def _points(run_id: str, entry: Any) -> Iterator[tuple[tuple[str, str], Past]]:
    """Yield what an entry of the journal holds, by suite and variant."""
    for row in entry["rows"]:
        verdict = None if row["verdict"] is None else Verdict(row["verdict"])
        basis = Basis(**row.get("basis", {}))
        past = Past(run_id, entry["started"], row["pass_rate"], verdict, basis)
        yield (row["suite"], row["variant"]), past
