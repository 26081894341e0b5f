"""Runs compared: the first side is the baseline, the others are judged against it, paired."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain

from harness import __version__
from harness.common import GateSettings, InputError, Problem, VariantRole
from harness.config import Settings
from harness.evaluation.baseline import StoredVariant, check_common, find_stored
from harness.evaluation.verdict import exit_code
from harness.gate import compare_ledgers
from harness.reports import (
    ReportPaths,
    Scorecard,
    build_scorecard,
    check_writable,
    collect_extras,
    write_reports,
)
from harness.results import GateReport, Result, RunInfo, SuiteInfo

LONGEST_NAME = 120  # of a folder: file systems take 255 bytes


@dataclass(frozen=True)
class ComparisonReport:
    """A comparison: who, what the gate says, where the files are."""

    sides: tuple[StoredVariant, ...]
    gate: GateReport
    scorecard: Scorecard
    paths: ReportPaths

    @property
    def exit_code(self) -> int:
        """As that of a run: 0 passed, 1 a gate failed, 3 machinery failed, 4 inconclusive."""
        return exit_code(self.gate.verdicts)


def compare_runs(
    settings: Settings, texts: Sequence[str], *, insist: bool = False
) -> ComparisonReport:
    """Compare sides as `find_stored` understands them, and write the report.

    `insist` compares cases and environments that differ all the same, with a warning. Raises
    InputError for a side that is none, where the sides have no suite or no case in common, and for
    a side of which no case may be compared with the first.
    """
    directory = settings.path(settings.report_dir)
    check_writable(directory)
    sides = find_stored(settings, texts)
    gate, info = judge_stored(sides, insist=insist)
    _check_alike(sides, gate)
    extras = collect_extras(_results(sides, info))
    scorecard = build_scorecard(info, gate, kind="comparison", extras=extras)
    paths = write_reports(directory, info.id, scorecard, lambda: _results(sides, info), point=False)
    return ComparisonReport(sides, gate, scorecard, paths)


def judge_stored(
    sides: Sequence[StoredVariant], *, insist: bool = False
) -> tuple[GateReport, RunInfo]:
    """What the gate says of these sides, and the record of the comparison as if it were a run."""
    check_common(sides)
    bars, differing = _bars(sides)
    categories = {
        suite.name: suite.category for side in reversed(sides) for suite in side.info.suites
    }
    gate = compare_ledgers(
        {side.name: side.ledger for side in sides},
        categories,
        settings=bars,
        insist=insist,
        environments={side.name: side.variant.environment for side in sides},
    )
    warnings = (*gate.warnings, *differing, *_unlike(sides))
    gate = replace(gate, warnings=tuple(dict.fromkeys(warnings)))
    return gate, _info(sides, gate, bars)


def _check_alike(sides: Sequence[StoredVariant], gate: GateReport) -> None:
    """Two engines, say: nothing was compared, which is nobody's verdict and no broken machine."""
    problems = []
    for side in sides[1:]:
        rows = [row for row in gate.suites if row.variant == side.name]
        if rows and all(row.comparison is None and row.unlike for row in rows):
            problems.append(
                Problem(
                    f"no case of {side.whole} can be compared with {sides[0].whole}",
                    found="; ".join(
                        dict.fromkeys(f"{what} differs" for r in rows for what in r.unlike)
                    ),
                    hint="run both in the same environment on the same suites; --insist compares "
                    "them all the same, and the report says so",
                )
            )
    if problems:
        raise InputError(*problems)


def _results(sides: Iterable[StoredVariant], info: RunInfo) -> Iterator[Result]:
    """The results of the suites that were compared."""
    suites = {suite.name for suite in info.suites}
    everything = chain.from_iterable(side.results() for side in sides)
    return (result for result in everything if result.suite in suites)


def _bars(sides: Sequence[StoredVariant]) -> tuple[dict[str, GateSettings], list[str]]:
    """Each suite's bars: those of the last side, which is the newest; and where they differ."""
    bars: dict[str, GateSettings] = {}
    differing: dict[str, None] = {}
    for side in sides:
        for suite in side.info.suites:
            if bars.get(suite.name, suite.gate) != suite.gate:
                differing[suite.name] = None
            bars[suite.name] = suite.gate
    last = sides[-1].name
    return bars, [f"suite {name}: the gates differ, that of {last} is used" for name in differing]


def _unlike(sides: Sequence[StoredVariant]) -> Iterator[str]:
    """What may move figures and does not keep cases from being paired."""
    first = sides[0]
    for side in sides:
        if not side.info.finished:
            yield f"run {side.info.id} was not finished: {side.name} has only a part of its results"
    for side in sides[1:]:
        names = f"{first.name} and {side.name}"
        if changes := _changes(first.info.scorers, side.info.scorers):
            yield f"{names} were scored by other versions of checks: {changes}"
        if changes := _changes(first.info.execution, side.info.execution):
            yield f"{names} were executed differently: {changes}"


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    both = [key for key in before if key in after and before[key] != after[key]]
    return ", ".join(f"{key} {before[key]} → {after[key]}" for key in both)


def _info(
    sides: Sequence[StoredVariant], gate: GateReport, bars: Mapping[str, GateSettings]
) -> RunInfo:
    first, *others = sides
    runs = {side.info.id: side.info for side in sides}
    roles = {first.name: VariantRole.BASELINE}
    return RunInfo(
        id=_id(sides),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        harness_version=__version__,
        backend=", ".join(dict.fromkeys(side.info.backend for side in sides)),
        baseline=first.name,
        suites=tuple(_suites(sides, gate, bars)),
        variants=tuple(
            replace(s.variant, name=s.name, role=roles.get(s.name, VariantRole.CANDIDATE))
            for s in sides
        ),
        notes=tuple(_notes(sides)),
        scorers=dict(others[-1].info.scorers),
        judges=dict(others[-1].info.judges),
        cached=sum(run.generated + run.cached for run in runs.values()),
        finished=all(run.finished for run in runs.values()),
    )


def _notes(sides: Sequence[StoredVariant]) -> Iterator[str]:
    """Who is compared: one line for variants of one run, which keep their names."""
    if len({side.info.id for side in sides}) == 1:
        yield f"variants of run {sides[0].info.id}"
        return
    yield from (f"{side.name} is {side.whole}" for side in sides)


def _suites(
    sides: Sequence[StoredVariant], gate: GateReport, bars: Mapping[str, GateSettings]
) -> Iterator[SuiteInfo]:
    """The suites that were compared, in the order of the last side."""
    counts: dict[str, int] = {}
    for row in gate.suites:
        counts[row.suite] = max(counts.get(row.suite, 0), row.rate.n + row.rate.skipped)
    for suite in sides[-1].info.suites:
        if suite.name in counts:
            n = counts[suite.name]
            yield replace(suite, gate=bars[suite.name], cases=n, selected=n)


def _id(sides: Sequence[StoredVariant]) -> str:
    """A name for the folder that is the same for the same sides."""
    parts = "-vs-".join(f"{side.info.id}.{side.variant.name}" for side in sides)
    return "compare-" + re.sub(r"[^A-Za-z0-9_.-]", "_", parts)[:LONGEST_NAME]
