"""One night against its rivals: the gate of the run itself, last night, a pinned baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.common import (
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
    PairwiseComparison,
    compare_pairwise,
    differences,
)
from harness.nightly.values import Night, NightFinding, NightRate, Rival
from harness.reports import basis_of
from harness.results import Comparison, Result, RunInfo, SuiteResult, VariantInfo, Verdict
from harness.store import Store

MOST_NAMES = 12  # variants in one note


@dataclass(frozen=True, slots=True)
class RivalFindings:
    """What comparisons found, and what kept others from being made."""

    findings: tuple[NightFinding, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RivalPairs:
    """The candidates compared with each other, and what kept variants out."""

    rows: tuple[PairwiseComparison, ...]
    notes: tuple[str, ...]


# -- the run itself --------------------------------------------------------------------------------


def rates_of(report: RunReport) -> Iterator[NightRate]:
    """Yield the rates of a run, for the trend."""
    signatures = {card.name: card.signature for card in report.scorecard.variants}
    bars = {suite.name: suite.gate.min_pass_rate for suite in report.info.suites}
    for row in report.gate.suites:
        rate = row.rate
        if rate.n and not row.partial and not rate.broken:
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
                basis=basis_of(report.scorecard, row),
                bar=None if row.tries else bars[row.suite],
            )


def own_findings(report: RunReport) -> Iterator[NightFinding]:
    """Yield what the gate of the run says: bars, and the comparison with its baseline, if any."""
    for row in report.gate.suites:
        if row.role is VariantRole.CANDIDATE:
            alone = report.info.baseline is None or row.uncompared
            rival = Rival.BARS if alone else Rival.BASELINE
            yield _finding(rival, row, row.verdict, f"harness show {report.info.id}")


# -- earlier nights and the pinned baseline --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Meeting:
    """One variant against itself in an earlier run, or against the pinned file, on these suites.

    `before` and `after` are stored variants as `find_stored` reads them; `since` says what `before`
    is: "last night".
    """

    variant: str
    before: str
    after: str
    since: str
    suites: tuple[str, ...]


def against_last_night(settings: Settings, night: Night, past: Sequence[Night]) -> RivalFindings:
    """Compare every variant with itself in the last night that has it; `past` is oldest first."""
    found = _meet(settings, Rival.LAST_NIGHT, meetings_with_past(night, past))
    return RivalFindings(found.findings, (*series_notes(night, past), *found.notes))


def against_pinned(settings: Settings, night: Night, pinned: Path) -> RivalFindings:
    """Compare every variant with a committed baseline."""
    return _meet(settings, Rival.PINNED, meetings_with_pinned(night, settings.path(pinned)))


def meetings_with_past(night: Night, past: Sequence[Night]) -> tuple[Meeting, ...]:
    """Pair every variant and suite with the last night that has them; new ones meet nobody."""
    pairs = []
    for rate in night.rates:
        if (then := _last_with(rate, past)) and (before := then.rate(rate.suite, rate.variant)):
            since = "last night" if then is past[-1] else _of(then)
            pairs.append((f"{before.run}:{rate.variant}", since, rate))
    return _merged(pairs)


def meetings_with_pinned(night: Night, pinned: Path) -> tuple[Meeting, ...]:
    """Pair every variant with the pinned file."""
    return _merged((str(pinned), "the pinned baseline", rate) for rate in night.rates)


def series_notes(night: Night, past: Sequence[Night]) -> Iterator[str]:
    """Say who is not compared with last night, as one of the two nights has not both."""
    if not past:
        yield "there is no night before this one to compare with"
        return
    left = [rate for rate in past[-1].rates if not night.rate(rate.suite, rate.variant)]
    if left:
        yield f"in last night's runs and not in tonight's: {_named(left, past[-1])}"
    fates: dict[str, list[NightRate]] = {}
    for rate in night.rates:
        then = _last_with(rate, past)
        if then is None:
            fate = "new tonight, with no earlier night to be compared with"
        elif then is past[-1]:
            continue
        else:
            fate = f"not in last night's runs, so compared with {_of(then)}"
        fates.setdefault(fate, []).append(rate)
    yield from (f"{fate}: {_named(rates, night)}" for fate, rates in fates.items())


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
    """Name the variants; with suites where others of their suites in that night fared otherwise."""
    names = []
    for variant in dict.fromkeys(rate.variant for rate in rates):
        mine = [rate.suite for rate in rates if rate.variant == variant]
        whole = len(mine) == sum(rate.variant == variant for rate in night.rates)
        names.append(variant if whole else f"{variant} in {joined(mine)}")
    return joined(names, MOST_NAMES)


def _meet(settings: Settings, rival: Rival, meetings: Iterable[Meeting]) -> RivalFindings:
    """Judge the meetings: by pairs alone; bars and errors are the business of the run's own gate.

    A comparison that cannot be made becomes a note.
    """
    findings: list[NightFinding] = []
    left_out: list[Uncompared] = []
    notes: list[str] = []
    for meeting in meetings:
        try:
            before, after = find_stored(settings, [meeting.before, meeting.after])
            before = replace(before, name=rival.value.replace(" ", "-"))
            after = replace(after, name=meeting.variant)
            if before.in_file:  # it holds no times, and nobody could judge a bar on them
                untimed = {"max_latency_growth": None}
                suites = [
                    replace(suite, gate=suite.gate.model_copy(update=untimed))
                    for suite in after.info.suites
                ]
                after = replace(after, info=replace(after.info, suites=tuple(suites)))
            gate, _ = judge_stored((before, after))
            judged = {suite.name for suite in after.info.suites if suite.prefer}
        except HarnessError as error:
            said = "; ".join(" ".join(str(problem).split()) for problem in error.problems)
            notes.append(f"{meeting.variant} was not compared with {meeting.since}: {said}")
            continue
        command = f"harness compare {meeting.before} {meeting.after}"
        for row in gate.suites:
            if row.role is not VariantRole.CANDIDATE or row.suite not in meeting.suites:
                continue
            verdict = row.verdict
            if row.comparison is None:
                verdict = None
            elif row.outgrown and verdict is Verdict.BELOW_THRESHOLD:
                pass  # longer or slower than that night: a bar on the pair itself
            elif verdict not in (Verdict.REGRESSED, Verdict.INCONCLUSIVE):
                verdict = Verdict.PASS
            findings.append(_finding(rival, row, verdict, command))
            reasons = [*uncompared(before, after, row, meeting.since)]
            if row.suite in judged and row.comparison is not None:
                reasons.append(
                    f"answers not compared with {meeting.since} (prefer): a judge compares them "
                    "with the baseline alone"
                )
            left_out += (Uncompared(row.suite, after.variant.name, why) for why in reasons)
    return RivalFindings(tuple(findings), (*notes, *notes_of(left_out)))


@dataclass(frozen=True, slots=True)
class Uncompared:
    """Cases of one variant in one suite; `why` counts and names them."""

    suite: str
    variant: str
    why: str


def notes_of(found: Iterable[Uncompared]) -> Iterator[str]:
    """Yield a note for each reason; variants share it: a changed suite meets all of them."""
    variants: dict[tuple[str, str], list[str]] = {}
    for each in found:
        variants.setdefault((each.suite, each.why), []).append(each.variant)
    for (suite, why), names in variants.items():
        yield f"{joined(names, MOST_NAMES)} in {suite}: {why}"


def uncompared(
    before: StoredVariant, after: StoredVariant, row: SuiteResult, since: str
) -> Iterator[str]:
    """Say what the comparison of one suite left out; `since` says what `before` is."""
    seen = row.comparison
    if seen and not (seen.refused or seen.left_out or seen.only_baseline or seen.only_candidate):
        return
    then = before.ledger.of(row.suite, before.variant.name)
    now = after.ledger.of(row.suite, after.variant.name)
    environments = before.variant.environment, after.variant.environment
    changed: list[str] = []
    unlike: dict[str, list[str]] = {}
    broken: list[str] = []
    for case in sorted(then.keys() & now.keys()):
        old, new = then[case], now[case]
        if old.asked != new.asked:
            changed.append(case)
        elif what := differences(old, new, environments):
            unlike.setdefault(f"{what} differs", []).append(case)
        elif not (old.testable and new.testable):
            broken.append(case)
    if broken:
        unlike["an error or a skip on either side"] = broken

    def few(cases: list[str]) -> str:
        """Return "1 of 10 cases", or "all 10 cases"."""
        if len(cases) == len(now):
            return f"all {plural(len(now), 'case')}" if len(now) > 1 else "the only case"
        return f"{len(cases):,} of {plural(len(now), 'case')}"

    if changed and len(changed) == len(now):
        yield f"not compared: {few(changed)} changed since {since}"
    elif changed:
        yield f"{few(changed)} changed since {since}: not compared ({joined(changed)})"
    for what, cases in unlike.items():
        names = "" if len(cases) == len(now) else f" ({joined(cases)})"
        yield f"{few(cases)} not compared with {since}: {what}{names}"
    if added := sorted(now.keys() - then.keys()):
        yield f"{few(added)} new since {since}: not compared ({joined(added)})"
    if gone := sorted(then.keys() - now.keys()):
        yield f"{plural(len(gone), 'case')} gone since {since} ({joined(gone)})"


def _finding(rival: Rival, row: SuiteResult, verdict: Verdict | None, command: str) -> NightFinding:
    seen: Comparison | None = row.comparison
    return NightFinding(
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


# -- the candidates with each other ----------------------------------------------------------------


def among_themselves(settings: Settings, night: Night) -> RivalPairs:
    """Compare every two candidates on every suite that both answered in full."""
    rated = {(rate.suite, rate.variant, rate.run) for rate in night.rates}  # those run as a whole
    whole: list[RunInfo] = []
    candidates: dict[str, VariantInfo] = {}
    notes: list[str] = []

    def results() -> Iterator[Result]:
        for run in whole:
            names = {v.name for v in run.variants if v.role is VariantRole.CANDIDATE}
            for result in store.results(run.id):
                if result.variant in names and (result.suite, result.variant, run.id) in rated:
                    yield result

    with Store(settings.path(settings.store)) as store:
        for run_id in dict.fromkeys(night.runs.values()):
            try:
                run = store.run(run_id)
            except InputError:  # pruned since
                what = f"the variants of run {run_id} were not compared with others"
                notes.append(f"{what}: it was removed")
                continue
            mine = [v for v in run.variants if v.role is VariantRole.CANDIDATE]
            if EARLY_STOP not in run.execution:
                whole.append(run)
                candidates.update({variant.name: variant for variant in mine})
            elif len(mine) > 1:
                notes.append(
                    f"the variants of run {run_id} were not compared with each other: "
                    "it could stop early, so that only its own gate may look at it"
                )
        rows = compare_pairwise(
            results() if len(candidates) > 1 else (),
            tuple(candidates),
            {suite.name: suite.gate for run in whole for suite in run.suites},
            {name: variant.environment for name, variant in candidates.items()},
        )
    return RivalPairs(rows, tuple(notes))
