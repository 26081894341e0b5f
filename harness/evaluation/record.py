"""The record of a run: who took part, on what, under which settings, and how it ended."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harness import __version__
from harness.backends import Backend
from harness.common import JsonValue, VariantRole
from harness.config import Settings, given_options, project_path
from harness.evaluation.executor import Counts
from harness.evaluation.judges import describe_judges
from harness.evaluation.keys import describe_variant
from harness.evaluation.plan import Plan
from harness.evaluation.standing import standings
from harness.evaluation.trial import Trial, sampling_of
from harness.evaluation.variants import Variants
from harness.results import JudgeStanding, RunInfo, SuiteInfo
from harness.suites import Suite, same_tries


def begin_record(
    settings: Settings,
    suites: Sequence[Suite],
    variants: Variants,
    backend: Backend,
    plan: Plan,
    notes: Iterable[str] = (),
    *,
    keep_empty: bool = False,
) -> RunInfo:
    """Return the record of a run that begins now; `notes` stand beside those of its parts.

    A suite of which nothing is asked is in it with `keep_empty` alone.
    """
    now, baseline = datetime.now(UTC), variants.baseline
    trials = [*plan.trials, *(skip.trial for skip in plan.skipped)]
    present = {trial.variant.name: trial.variant for trial in trials}
    described = [describe_variant(variant, backend) for variant in present.values()]
    borrowed: tuple[str, ...] = ()
    if earlier := variants.earlier:
        baseline = earlier.name
        if baseline in present:  # a name that no variant of this run has
            last = "committed" if earlier.in_file else earlier.info.id.rpartition("-")[2]
            baseline = f"{baseline}-{last}"
        role = VariantRole.BASELINE
        described.insert(0, replace(earlier.variant, name=baseline, role=role))
        place = f"{earlier.text}, " if earlier.in_file else ""
        borrowed = (f"{baseline}: answers of {place}{earlier.whole}",)
    for at, each in enumerate(described):
        prices = settings.prices_of(each.name)
        if prices and not each.prices:  # a baseline from elsewhere keeps its own
            described[at] = replace(each, prices=prices)
    taken: dict[str, dict[str, set[str]]] = {}  # by suite and variant
    for trial in trials:
        answered = taken.setdefault(trial.case.suite, {})
        answered.setdefault(trial.variant.name, set()).add(trial.case.id)
    counted = [v.name for v in present.values() if v.role is VariantRole.CANDIDATE] or [*present]
    turns = [turn for suite in suites for case in suite.cases for turn in case.turns]
    checks = sorted((c for turn in turns for c in turn.checks), key=lambda check: check.name)
    asked = {id(trial.case): trial.case for trial in trials}
    judged = standings(settings, asked.values(), plan.judges)
    return RunInfo(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        started=now.isoformat(timespec="seconds"),
        seconds=0.0,
        harness_version=__version__,
        backend=backend.name,
        baseline=baseline if earlier or baseline in present else None,
        suites=tuple(
            _suite_info(
                settings,
                suite,
                # The cases that every candidate of the run answers.
                selected=min(
                    (len(taken.get(suite.name, {}).get(name, ())) for name in counted), default=0
                ),
                judged=judged.get(suite.name, ()),
            )
            for suite in suites
            if keep_empty or suite.name in taken
        ),
        variants=tuple(described),
        notes=(*borrowed, *backend.notes, *notes, *plan.notes),
        scorers={check.name: check.scorer.version for check in checks},
        judges=describe_judges(plan.judges),
        options=given_options(settings),
        source=earlier.source if earlier else "",
        warnings=tuple(_same_tries(trials)),
    )


def end_record(info: RunInfo, backend: Backend, counts: Counts, seconds: float) -> RunInfo:
    """Return the record of a run that is over."""
    return replace(
        info,
        seconds=seconds,
        notes=tuple(dict.fromkeys((*backend.notes, *info.notes))),
        execution={**backend.execution(), **info.execution},
        generated=counts.generated,
        tokens=counts.tokens,
        cached=counts.cached,
        finished=counts.broken is None,
    )


def _suite_info(
    settings: Settings, suite: Suite, selected: int, judged: tuple[JudgeStanding, ...]
) -> SuiteInfo:
    """Return the suite as the record has it; `selected` counts its cases in this run."""
    different = dict.fromkeys((case.sampling, case.repeats) for case in suite.cases)
    drawn = [{**each.model_dump(mode="json"), "repeats": repeats} for each, repeats in different]
    first: dict[str, JsonValue] = drawn[0] if drawn else {}
    rubrics = {case.prefer.rubric for case in suite.cases if case.prefer}
    return SuiteInfo(
        name=suite.name,
        category=suite.category,
        path=project_path(Path.cwd(), suite.path, settings.root),
        description=suite.description,
        gate=suite.gate,
        cases=len(suite.cases),
        selected=selected,
        # A setting in which its cases differ is null.
        sampling={k: v if all(row[k] == v for row in drawn) else None for k, v in first.items()},
        prefer=next(iter(rubrics), "") if len(rubrics) < 2 else "each case has its own rubric",
        judged=judged,
    )


def _same_tries(trials: Sequence[Trial]) -> Iterator[str]:
    """Warn once per suite of tries that are all the same answer, overrides of variants included."""
    repeated: dict[str, dict[str, bool]] = {}  # whether each case is greedy for some variant
    for trial in trials:
        cases = repeated.setdefault(trial.case.suite, {})
        greedy = trial.case.repeats > 1 and sampling_of(trial).temperature == 0
        cases[trial.case.id] = cases.get(trial.case.id, False) or greedy
    for suite, cases in repeated.items():
        if greedy_cases := sum(cases.values()):
            yield f"{suite}: {same_tries(greedy_cases, len(cases))}"
