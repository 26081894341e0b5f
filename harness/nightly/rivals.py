"""One night against its rivals: the gate of the run itself, last night, a pinned baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.common import (
    GateSettings,
    HarnessError,
    InputError,
    VariantRole,
    joined,
    moment,
    plural,
)
from harness.config import Settings
from harness.evaluation import RunReport, StoredVariant, find_stored, judge_stored
from harness.gate import (
    EARLY_STOP,
    Items,
    PairEnvironments,
    PairwiseComparison,
    compare_pairwise,
    differences,
)
from harness.nightly.values import Finding, Night, NightRate, Rival
from harness.results import Comparison, Result, RunInfo, SuiteResult, VariantInfo, Verdict
from harness.store import Store


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


MOST_NAMES = 12  # variants in one note


@dataclass(frozen=True, slots=True)
class Uncompared:
    """Cases of one variant in one suite; `why` counts and names them."""

    suite: str
    variant: str
    why: str


def uncompared(
    before: StoredVariant, after: StoredVariant, rows: Iterable[SuiteResult], since: str
) -> Iterator[Uncompared]:
    """What the comparisons left out; `since` says what `before` is: "last night"."""
    suites = [row.suite for row in rows if _left_some(row)]
    if not suites:
        return
    environments = before.variant.environment, after.variant.environment
    for suite in suites:
        items = (
            before.ledger.of(suite, before.variant.name),
            after.ledger.of(suite, after.variant.name),
        )
        for why in _reasons(*items, environments, since):
            yield Uncompared(suite, after.variant.name, why)


def notes_of(found: Iterable[Uncompared]) -> Iterator[str]:
    """A note for each reason; variants that share it stand in one: a changed suite meets all."""
    variants: dict[tuple[str, str], list[str]] = {}
    for each in found:
        variants.setdefault((each.suite, each.why), []).append(each.variant)
    for (suite, why), names in variants.items():
        yield f"{joined(names, MOST_NAMES)} in {suite}: {why}"


def _left_some(row: SuiteResult) -> bool:
    seen = row.comparison
    return seen is None or bool(
        seen.refused or seen.left_out or seen.only_baseline or seen.only_candidate
    )


def _reasons(then: Items, now: Items, environments: PairEnvironments, since: str) -> Iterator[str]:
    changed: list[str] = []
    unlike: dict[str, list[str]] = {}
    broken: list[str] = []
    for case in sorted(then.keys() & now.keys()):
        old, new = then[case], now[case]
        if old.asked != new.asked:
            changed.append(case)
        elif what := differences(old, new, environments):
            unlike.setdefault(what, []).append(case)
        elif not (old.testable and new.testable):
            broken.append(case)
    if changed:
        yield _changed(changed, len(now), since)
    for what, cases in unlike.items():
        what = f"{what} differs{_names(cases, now)}"
        yield f"{_few(cases, len(now))} not compared with {since}: {what}"
    if broken:
        what = "an error or a skip on either side"
        yield f"{_few(broken, len(now))} not compared with {since}: {what}{_names(broken, now)}"
    if added := sorted(now.keys() - then.keys()):
        yield f"{_few(added, len(now))} new since {since}: not compared ({joined(added)})"
    if gone := sorted(then.keys() - now.keys()):
        yield f"{plural(len(gone), 'case')} gone since {since} ({joined(gone)})"


def _changed(cases: list[str], total: int, since: str) -> str:
    if len(cases) == total:
        return f"not compared: {_few(cases, total)} changed since {since}"
    return f"{_few(cases, total)} changed since {since}: not compared ({joined(cases)})"


def _few(cases: list[str], total: int) -> str:
    """ "1 of 10 cases", "all 10 cases"."""
    if len(cases) == total:
        return f"all {plural(total, 'case')}" if total > 1 else "the only case"
    return f"{len(cases):,} of {plural(total, 'case')}"


def _names(cases: list[str], now: Items) -> str:
    return "" if len(cases) == len(now) else f" ({joined(cases)})"


SERIES_MOST_NAMES = 12  # in one note


@dataclass(frozen=True, slots=True)
class Meeting:
    """One variant against itself in an earlier run, or against the pinned file, on these suites.

    `before` and `after` are sides as `find_stored` reads them; `since` says what `before` is.
    """

    variant: str
    before: str
    after: str
    since: str
    suites: tuple[str, ...]


def meetings_with_past(night: Night, past: Sequence[Night]) -> tuple[Meeting, ...]:
    """Every variant and suite with the last night that has them; those that are new meet nobody."""
    pairs = []
    for rate in night.rates:
        if (then := _last_with(rate, past)) and (before := then.rate(rate.suite, rate.variant)):
            since = "last night" if then is past[-1] else _of(then)
            pairs.append((f"{before.run}:{rate.variant}", since, rate))
    return _merged(pairs)


def meetings_with_pinned(night: Night, pinned: Path) -> tuple[Meeting, ...]:
    """Every variant with the pinned file."""
    return _merged((str(pinned), "the pinned baseline", rate) for rate in night.rates)


def series_notes(night: Night, past: Sequence[Night]) -> Iterator[str]:
    """Who is not compared with last night, as one of the two nights has not both."""
    if not past:
        yield "there is no night before this one to compare with"
        return
    left = [rate for rate in past[-1].rates if not night.rate(rate.suite, rate.variant)]
    if left:
        yield f"in last night's runs and not in tonight's: {_named(left, past[-1])}"
    fates: dict[str, list[NightRate]] = {}
    for rate in night.rates:
        if (then := _last_with(rate, past)) is not past[-1]:
            fates.setdefault(_fate(then), []).append(rate)
    yield from (f"{fate}: {_named(rates, night)}" for fate, rates in fates.items())


def _fate(then: Night | None) -> str:
    if then is None:
        return "new tonight, with no earlier night to be compared with"
    return f"not in last night's runs, so compared with {_of(then)}"


def _of(night: Night) -> str:
    return f"the night of {moment(night.started)}"


def _last_with(rate: NightRate, past: Sequence[Night]) -> Night | None:
    having = (each for each in reversed(past) if each.rate(rate.suite, rate.variant))
    return next(having, None)


def _merged(pairs: Iterable[tuple[str, str, NightRate]]) -> tuple[Meeting, ...]:
    """Suites that two runs have in common are tested together: Holm corrects over them."""
    suites: dict[tuple[str, str, str, str], list[str]] = {}
    for before, since, rate in pairs:
        key = rate.variant, before, f"{rate.run}:{rate.variant}", since
        suites.setdefault(key, []).append(rate.suite)
    return tuple(Meeting(*key, tuple(names)) for key, names in suites.items())


def _named(rates: Sequence[NightRate], night: Night) -> str:
    """The variants; with suites where others of their suites in that night fared otherwise."""
    names = []
    for variant in dict.fromkeys(rate.variant for rate in rates):
        mine = [rate.suite for rate in rates if rate.variant == variant]
        whole = len(mine) == sum(rate.variant == variant for rate in night.rates)
        names.append(variant if whole else f"{variant} in {joined(mine)}")
    return joined(names, SERIES_MOST_NAMES)


@dataclass(frozen=True, slots=True)
class Found:
    """What comparisons found, and what kept others from being made."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def rates_of(report: RunReport) -> Iterator[NightRate]:
    """The rates of a run, for the trend."""
    signatures = {card.name: card.signature for card in report.scorecard.variants}
    for row in report.gate.suites:
        rate = row.rate
        if rate.n and not row.partial:
            yield NightRate(
                suite=row.suite,
                category=row.category,
                variant=row.variant,
                n=rate.n,
                passed=rate.passed,
                pass_rate=rate.pass_rate,
                low=rate.low,
                high=rate.high,
                run=report.info.id,
                signature=signatures.get(row.variant, ""),
            )


def own_findings(report: RunReport) -> Iterator[Finding]:
    """What the gate of the run says: bars, and the comparison with the run's baseline, if any."""
    for row in report.gate.suites:
        if row.role is VariantRole.CANDIDATE:
            alone = report.info.baseline is None or row.uncompared
            rival = Rival.BARS if alone else Rival.BASELINE
            yield _finding(rival, row, row.verdict, f"harness show {report.info.id}")


def against_last_night(settings: Settings, night: Night, past: Sequence[Night]) -> Found:
    """Every variant against itself in the last night that has it; `past` is oldest first."""
    found = _all(settings, Rival.LAST_NIGHT, meetings_with_past(night, past))
    return Found(found.findings, (*series_notes(night, past), *found.notes))


def against_pinned(settings: Settings, night: Night, pinned: Path) -> Found:
    """Every variant against a committed baseline."""
    return _all(settings, Rival.PINNED, meetings_with_pinned(night, settings.path(pinned)))


def _all(settings: Settings, rival: Rival, meetings: Iterable[Meeting]) -> Found:
    findings: list[Finding] = []
    left_out: list[Uncompared] = []
    notes: list[str] = []
    for meeting in meetings:
        try:
            seen, unseen = _compared(settings, rival, meeting)
        except HarnessError as error:
            what = f"{meeting.variant} was not compared with {meeting.since}"
            notes.append(f"{what}: {_line(error)}")
            continue
        findings += seen
        left_out += unseen
    return Found(tuple(findings), (*notes, *notes_of(left_out)))


def _compared(
    settings: Settings, rival: Rival, meeting: Meeting
) -> tuple[list[Finding], list[Uncompared]]:
    before, after = find_stored(settings, [meeting.before, meeting.after])
    name = rival.value.replace(" ", "-")
    before, after = replace(before, name=name), replace(after, name=meeting.variant)
    gate, _ = judge_stored((before, after))
    rows = [
        row
        for row in gate.suites
        if row.role is VariantRole.CANDIDATE and row.suite in meeting.suites
    ]
    command = f"harness compare {meeting.before} {meeting.after}"
    findings = [_finding(rival, row, _paired_verdict(row), command) for row in rows]
    return findings, list(uncompared(before, after, rows, meeting.since))


def _paired_verdict(row: SuiteResult) -> Verdict | None:
    """What the pairs say; bars and errors are the business of the run's own gate."""
    if row.comparison is None:
        return None
    if row.verdict in (Verdict.REGRESSED, Verdict.INCONCLUSIVE):
        return row.verdict
    return Verdict.PASS


def _finding(rival: Rival, row: SuiteResult, verdict: Verdict | None, command: str) -> Finding:
    seen: Comparison | None = row.comparison
    return Finding(
        rival=rival,
        suite=row.suite,
        variant=row.variant,
        verdict=verdict,
        delta=seen.delta if seen else None,
        low=seen.low if seen else None,
        reasons=(*row.reasons, *(row.warnings if seen is None else ())),
        worse=seen.worse if seen else (),
        better=len(seen.better) if seen else 0,
        command=command,
    )


def _line(error: HarnessError) -> str:
    return "; ".join(" ".join(str(problem).split()) for problem in error.problems)
