"""Stored variants compared: the first is the baseline, the others are judged against it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from harness import __version__
from harness.common import GateSettings, InputError, Problem, VariantRole
from harness.config import Settings
from harness.evaluation.baseline import StoredVariant, check_common, find_stored
from harness.evaluation.verdict import exit_code, prices_of
from harness.gate import compare_ledgers
from harness.reports import (
    NotebookView,
    ReportPaths,
    Scorecard,
    ScorecardDocument,
    build_scorecard,
    check_writable,
    collect_extras,
    people_extras,
    publish,
    write_reports,
)
from harness.results import GateReport, Result, Reviewed, RunInfo, reviewed
from harness.store import existing_store, read_judgements
from harness.suites import Selectable, Selection

LONGEST_NAME = 120  # of a folder: file systems take 255 bytes


@dataclass(frozen=True, repr=False)
class ComparisonReport(NotebookView):
    """A comparison: who, what the gate says, where the files are."""

    sides: tuple[StoredVariant, ...]
    gate: GateReport
    scorecard: Scorecard
    paths: ReportPaths

    def shown(self) -> tuple[ScorecardDocument, Path]:
        """Return the scorecard, and where its page is."""
        return publish(self.scorecard), self.paths.html

    def results(self) -> Iterator[Result]:
        """Yield the results of all sides in the suites that were compared, by the sides' names."""
        suites = {suite.name for suite in self.scorecard.run.suites}
        everything = chain.from_iterable(side.results() for side in self.sides)
        return (result for result in everything if result.suite in suites)

    @property
    def exit_code(self) -> int:
        """Return 0 passed, 1 a gate failed, 3 machinery failed, 4 inconclusive."""
        return exit_code(self.gate.verdicts)


def compare_runs(
    settings: Settings,
    texts: Sequence[str],
    *,
    insist: bool = False,
    selection: Selection | None = None,
) -> ComparisonReport:
    """Compare stored variants, as `find_stored` understands them, and write the report.

    `selection` takes part of the cases, of all sides the same. `insist` compares cases and
    environments that differ all the same, with a warning. Raises InputError for one that is not
    found, where they have no suite or no case in common, and where no case of one may be compared
    with the first.
    """
    directory = settings.path(settings.report_dir)
    check_writable(directory)
    sides = find_stored(settings, texts)
    if selection:
        known: dict[tuple[str, str], Selectable] = {}
        for side in sides:
            for (suite, _), items in side.ledger.items.items():
                for case, item in items.items():
                    if (suite, case) not in known or item.tags:  # a baseline file has no tags
                        known[suite, case] = Selectable(suite, case, item.tags)
        taken = selection.of(list(known.values()))
        sides = tuple(side.only(taken) for side in sides)
    people = _people(settings, sides)
    gate, info = judge_stored(sides, insist=insist, people=people)
    # Two engines, say: nothing was compared, which is nobody's verdict and no broken machine.
    problems = []
    for side in sides[1:]:
        rows = [row for row in gate.suites if row.variant == side.name]
        if rows and all(row.comparison is None and row.unlike for row in rows):
            unlike = dict.fromkeys(f"{what} differs" for row in rows for what in row.unlike)
            problems.append(
                Problem(
                    f"no case of {side.whole} can be compared with {sides[0].whole}",
                    found="; ".join(unlike),
                    hint="run both in the same environment on the same suites; --insist compares "
                    "them all the same, and the report says so",
                )
            )
    if problems:
        raise InputError(*problems)
    suites = {suite.name for suite in info.suites}

    def results() -> Iterator[Result]:
        everything = chain.from_iterable(side.results() for side in sides)
        return (result for result in everything if result.suite in suites)

    extras = {**collect_extras(results()), **people_extras(people, info)}
    scorecard = build_scorecard(info, gate, kind="comparison", extras=extras)
    paths = write_reports(directory, info.id, scorecard, results, point=False)
    return ComparisonReport(sides, gate, scorecard, paths)


def judge_stored(
    sides: Sequence[StoredVariant], *, insist: bool = False, people: Reviewed | None = None
) -> tuple[GateReport, RunInfo]:
    """Gate stored variants against the first; return that and a record as if it were a run.

    `people` is what people said of the answers. Each suite's bars are those of the last side, which
    is the newest; a warning says where they differ.
    """
    check_common(sides)
    first, last = sides[0], sides[-1]
    bars: dict[str, GateSettings] = {}
    categories: dict[str, str] = {}
    differing: dict[str, None] = {}
    whole: dict[str, int] = {}
    for side in sides:
        for suite in side.info.suites:
            if bars.get(suite.name, suite.gate) != suite.gate:
                differing[suite.name] = None
            bars[suite.name] = suite.gate
            categories.setdefault(suite.name, suite.category)
            if suite.partial:
                whole[suite.name] = max(whole.get(suite.name, 0), suite.cases)
    gate = compare_ledgers(
        {side.name: side.ledger for side in sides},
        categories,
        settings=bars,
        insist=insist,
        environments={side.name: side.variant.environment for side in sides},
        prices=prices_of(replace(side.variant, name=side.name) for side in sides),
        people=people,
        whole=whole,
        # No judge compares answers here.
        judged={
            suite.name: tuple(each for each in suite.judged if each.kind != "prefer")
            for suite in last.info.suites
        },
    )
    warnings = [
        *gate.warnings,
        *(f"suite {name}: the gates differ, that of {last.name} is used" for name in differing),
        *_unlike(sides),
    ]
    gate = replace(gate, warnings=tuple(dict.fromkeys(warnings)))
    counts: dict[str, int] = {}  # of the suites that were compared
    for row in gate.suites:
        counts[row.suite] = max(counts.get(row.suite, 0), row.rate.n + row.rate.skipped)
    suites = [
        replace(suite, gate=bars[suite.name], cases=whole.get(suite.name, n), selected=n)
        for suite in last.info.suites
        if (n := counts.get(suite.name)) is not None
    ]
    runs = {side.info.id: side.info for side in sides}
    notes = [f"{side.name} is {side.whole}" for side in sides]
    if len(runs) == 1:  # then variants keep their names
        notes = [f"variants of run {first.info.id}"]
    parts = "-vs-".join(f"{side.info.id}.{side.variant.name}" for side in sides)
    roles = {first.name: VariantRole.BASELINE}
    return gate, RunInfo(
        # The same sides have the same folder.
        id="compare-" + re.sub(r"[^A-Za-z0-9_.-]", "_", parts)[:LONGEST_NAME],
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        harness_version=__version__,
        backend=", ".join(dict.fromkeys(side.info.backend for side in sides)),
        baseline=first.name,
        suites=tuple(suites),
        variants=tuple(
            replace(s.variant, name=s.name, role=roles.get(s.name, VariantRole.CANDIDATE))
            for s in sides
        ),
        notes=tuple(notes),
        scorers=dict(last.info.scorers),
        judges=dict(last.info.judges),
        cached=sum(run.generated + run.cached for run in runs.values()),
        finished=all(run.finished for run in runs.values()),
    )


def _people(settings: Settings, sides: Sequence[StoredVariant]) -> Reviewed:
    """Return what people said of the answers of these sides; nothing where there is no store."""
    place = settings.path(settings.store)
    if not place.exists():
        return Reviewed()
    with existing_store(place) as store:
        rows = read_judgements(store, {suite.name for s in sides for suite in s.info.suites})
    return reviewed(rows, chain.from_iterable(side.results() for side in sides))


def _unlike(sides: Sequence[StoredVariant]) -> Iterator[str]:
    """Say what may move figures and does not keep cases from being paired."""
    first = sides[0]
    for side in sides:
        if not side.info.finished:
            yield f"run {side.info.id} was not finished: {side.name} has only a part of its results"
    if any(suite.prefer for side in sides for suite in side.info.suites):
        yield "answers were not compared (prefer): a comparison of stored runs asks no judge"
    for side in sides[1:]:
        names = f"{first.name} and {side.name}"
        if changes := _changes(first.info.scorers, side.info.scorers):
            yield f"{names} were scored by other versions of checks: {changes}"
        if changes := _changes(first.info.execution, side.info.execution):
            yield f"{names} were executed differently: {changes}"


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    both = [key for key in before if key in after and before[key] != after[key]]
    return ", ".join(f"{key} {before[key]} → {after[key]}" for key in both)
