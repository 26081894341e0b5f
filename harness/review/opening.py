"""A review of a stored run: its results, its suites' rubrics, and what its gate left open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.common import InputError, Problem
from harness.config import Settings, load_selected
from harness.evaluation import (
    answers_of,
    decide_run,
    recalled_baseline,
    suite_files,
)
from harness.reports import LATEST
from harness.results import Result, RunInfo
from harness.review.planning import plan_review
from harness.review.values import ReviewItem, ReviewOptions
from harness.store import RunNotFoundError, Store, find_run


@dataclass(frozen=True)
class OpenReview:
    """A run that is judged, its results, from the start each time, and how to plan its items.

    `notes` say what could not be had of it.
    """

    info: RunInfo
    results: Callable[[], Iterable[Result]]
    plan: Callable[[ReviewOptions], tuple[ReviewItem, ...]]
    notes: tuple[str, ...] = ()


def open_review(settings: Settings, store: Store, text: str) -> OpenReview:
    """Open the run that `text` means; raises InputError where there is none."""
    try:
        info = find_run(store, text)
    except RunNotFoundError:
        report = settings.path(settings.report_dir) / text
        if text == LATEST or not report.is_dir():
            raise
        raise InputError(
            Problem(
                f"the answers of run {text} are not in the store",
                path=str(store.path),
                found=f"its report alone, in {report}",
                hint="they were pruned, or another store holds them (--store FILE): run the suites "
                "again; what people said is kept, and counts where the same answers come again",
            )
        ) from None
    earlier, notes = recalled_baseline(settings, info)
    try:
        suites = load_selected(suite_files(info, settings), settings)
    except InputError as error:
        suites = ()
        found = error.problems[0]
        notes = (
            *notes,
            f"no rubric of a suite is known: {found.place or 'a suite'}: {found.message}",
        )

    def results() -> Iterable[Result]:
        return answers_of(store, info, earlier)

    def plan(options: ReviewOptions) -> tuple[ReviewItem, ...]:
        gate = decide_run(settings, store, info)
        return plan_review(
            info,
            results,
            options,
            cases={case.id: case for suite in suites for case in suite.cases},
            verdicts=[(row.suite, row.verdict) for row in gate.suites if row.verdict],
        )

    return OpenReview(info, results, plan, notes)
