"""The verdict on a run: its results against its baseline, wherever that answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.common import InputError, Prices, Problem
from harness.config import Settings
from harness.evaluation.baseline import StoredVariant, earlier_baseline
from harness.evaluation.people import recalled_people
from harness.evaluation.preferring import recalled_preferences
from harness.gate import EARLY_STOP, InterimGate, Ledger, collect, judge_ledger
from harness.results import (
    GateReport,
    PairJudgement,
    Result,
    Reviewed,
    RunInfo,
    VariantInfo,
    Verdict,
)
from harness.store import Store
from harness.suites import Suite


def exit_code(verdicts: Iterable[Verdict], *, broken: bool = False) -> int:
    """Return 0 passed, 1 a gate failed, 3 machinery failed, 4 inconclusive.

    Of several, the first in the order 3, 1, 4 counts, as for the verdict of a run: where machinery
    broke, what failed beside it is not known to be all.
    """
    codes = {3} if broken else set()
    for verdict in verdicts:
        match verdict:
            case Verdict.REGRESSED | Verdict.BELOW_THRESHOLD:
                codes.add(1)
            case Verdict.ERROR:
                codes.add(3)
            case Verdict.INCONCLUSIVE:
                codes.add(4)
            case Verdict.PASS:
                pass
    return next((code for code in (3, 1, 4) if code in codes), 0)


def judge_run(
    info: RunInfo,
    results: Iterable[Result],
    earlier: StoredVariant | None = None,
    judgements: Sequence[PairJudgement] = (),
    people: Reviewed | None = None,
) -> GateReport:
    """Gate results of a run as it was recorded; `earlier` is its baseline from elsewhere.

    `judgements` are the pairs of answers that a judge compared in it, `people` is what people said
    of its answers.
    """
    ledger = collect(results)
    borrowed, parts = _baseline_items(info, earlier), {s.name for s in info.suites if s.partial}
    asked = {(suite, case) for (suite, _), items in ledger.items.items() for case in items}
    # Beside a part of a suite stands the same part of the baseline.
    same = borrowed.only(lambda suite, case: suite not in parts or (suite, case) in asked)
    ledger.items.update(same.items)
    report = judge_ledger(
        ledger,
        info.suites,
        {variant.name: variant.role for variant in info.variants},
        info.baseline,
        environments={variant.name: variant.environment for variant in info.variants},
        sequential=EARLY_STOP in info.execution,
        judgements=judgements,
        prices=prices_of(info.variants),
        people=people,
    )
    return replace(report, warnings=(*report.warnings, *info.warnings))


def check_times(suites: Iterable[Suite]) -> None:
    """Raise InputError for a bar on the latency of recorded answers, which hold no times."""
    problems = []
    for suite in suites:
        if place := suite.bars.get("max_latency_growth"):
            problems.append(
                Problem(
                    "max_latency_growth cannot be judged: recorded answers hold no times",
                    place.path,
                    place.line,
                    place.column,
                    found="backend 'replay'",
                    hint="run the suite on the engine itself, or take the bar out of it",
                )
            )
    if problems:
        raise InputError(*problems)


def prices_of(variants: Iterable[VariantInfo]) -> dict[str, Prices]:
    """Return what the tokens of these variants cost, where that was said."""
    return {each.name: each.prices for each in variants if each.prices}


def interim_gate(info: RunInfo, baseline: str, earlier: StoredVariant | None) -> InterimGate:
    """Return the gate that looks at this run while it goes on."""
    return InterimGate(
        info.suites,
        {variant.name: variant.role for variant in info.variants},
        baseline,
        environments={variant.name: variant.environment for variant in info.variants},
        earlier=_baseline_items(info, earlier),
    )


def _baseline_items(info: RunInfo, earlier: StoredVariant | None) -> Ledger:
    """Return what a baseline that did not answer in this run says of its suites."""
    if earlier is None or info.baseline is None:
        return Ledger()
    return earlier.items((suite.name for suite in info.suites), info.baseline)


def recalled_baseline(
    settings: Settings, info: RunInfo
) -> tuple[StoredVariant | None, tuple[str, ...]]:
    """Find the baseline of a recorded run that did not answer in it.

    The second value is a warning where it is gone by now.
    """
    if not info.source:
        return None, ()
    try:
        return earlier_baseline(settings, info.source), ()
    except InputError as error:
        found = "; ".join(problem.message for problem in error.problems)
        return None, (f"the baseline {info.source} cannot be read any more: {found}",)


def decide_run(settings: Settings, store: Store, info: RunInfo) -> GateReport:
    """Gate a stored run as its report does; a warning says where its baseline is gone by now."""
    earlier, warnings = recalled_baseline(settings, info)
    report = judge_run(
        info,
        store.results(info.id),
        earlier,
        recalled_preferences(store, info.id),
        recalled_people(store, info, earlier),
    )
    return replace(report, warnings=(*report.warnings, *warnings))
