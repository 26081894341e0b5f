"""The one way through: load → plan → run → score → gate → report.

Both doors, the nightly comparison and the repair loop go through here, as a user would.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.backends import (
    Backend,
    BackendOptions,
    Models,
    check_rows,
    models_of,
    open_backend,
    unused_notes,
)
from harness.common import InputError, Variant, rare_collection
from harness.config import Settings, engine_arguments, load_selected, replicas_of
from harness.evaluation.baseline import StoredVariant, check_environment
from harness.evaluation.completions import Limits
from harness.evaluation.executor import Counts, Take, execute
from harness.evaluation.judges import open_judges
from harness.evaluation.noise import measure_noise, recalled_noise
from harness.evaluation.people import recalled_people
from harness.evaluation.plan import Plan, Select, make_plan
from harness.evaluation.preferring import (
    check_preferences,
    judge_preferences,
    recalled_preferences,
)
from harness.evaluation.reasoning import (
    ReasoningWatch,
    check_limits,
    reasoning_forms,
    reasoning_notes,
    tags_of,
    variant_tags,
)
from harness.evaluation.record import begin_record, end_record
from harness.evaluation.rendering import (
    check_renderings,
    families_of,
    family_notes,
    rendering_notes,
)
from harness.evaluation.sequential import answer_early, note_stop
from harness.evaluation.variants import Variants, recorded_answers, variants_of
from harness.evaluation.verdict import (
    check_times,
    exit_code,
    interim_gate,
    judge_run,
    recalled_baseline,
)
from harness.reports import (
    ExtrasCount,
    NotebookView,
    ReportPaths,
    Scorecard,
    ScorecardDocument,
    build_scorecard,
    check_writable,
    keep_rates,
    past_rates,
    people_extras,
    publish,
    write_reports,
)
from harness.results import GateReport, Observer, Result, RunInfo, ignore
from harness.store import Recalled, Store, check_remark, say_of
from harness.suites import Case, Selection, Suite


@dataclass(frozen=True, repr=False)
class RunReport(NotebookView):
    """A finished run: what it was, what the gate says, where the files are.

    `failure` says what broke the engine, when something did; what was finished is kept. `exported`
    says what became of configured exports, where the door through which it ran makes them.
    """

    info: RunInfo
    gate: GateReport
    scorecard: Scorecard
    paths: ReportPaths
    store: Path
    failure: str = ""
    kept: tuple[Result, ...] | None = field(default=None, repr=False, compare=False)
    exported: tuple[str, ...] = ()

    def shown(self) -> tuple[ScorecardDocument, Path]:
        """Return the scorecard, and where its page is."""
        return publish(self.scorecard), self.paths.html

    def results(self) -> Iterator[Result]:
        """Yield all results, in their order; those of a large run are read one by one."""
        if self.kept is not None:
            yield from self.kept
            return
        with Store(self.store) as store:
            yield from store.results(self.info.id)

    @property
    def exit_code(self) -> int:
        """Return 0 passed, 1 a gate failed, 3 machinery failed, 4 inconclusive."""
        return exit_code(self.gate.verdicts, broken=bool(self.failure))


def run_suites(
    settings: Settings,
    named: Sequence[str] = (),
    *,
    selection: Selection | None = None,
    observer: Observer = ignore,
) -> RunReport:
    """Load the suites that `named` means (all configured ones without a name), and run them."""
    variants = variants_of(settings)
    suites = load_selected(named, settings)
    return run_selected(settings, suites, variants, selection or Selection(), observer)


def run_selected(
    settings: Settings,
    suites: Sequence[Suite],
    variants: Variants,
    selection: Selection,
    observer: Observer = ignore,
) -> RunReport:
    """Run what the selection takes of these suites, for all variants alike.

    A suite of which it takes nothing is in the record, too: it was asked for and is not whole.
    """
    if not selection:
        return run(settings, suites, variants, observer=observer)
    taken = selection.of_suites(suites)

    def chosen(case: Case, variant: Variant) -> bool:
        return (case.suite, case.id) in taken

    return run(settings, suites, variants, select=chosen, keep_empty=True, observer=observer)


def run(
    settings: Settings,
    suites: Sequence[Suite],
    variants: Variants,
    *,
    select: Select | None = None,
    keep_empty: bool = False,
    observer: Observer = ignore,
    allow_unlike: bool = False,
) -> RunReport:
    """Generate what is missing, score, gate and report.

    `select` takes part of the cases; the baseline answers whatever a candidate answers. With
    `keep_empty` the record has the suites, too, of which nothing was selected.
    `allow_unlike` asks even where no answer can be compared with an earlier baseline, as it comes
    from another environment. Raises InputError before anything is generated, for all that is
    wrong in the input: then no run is recorded.
    """
    check_writable(settings.path(settings.report_dir))
    check_remark(settings.label, settings.note)
    apart = any(suite.gate.max_latency_growth is not None for suite in suites)
    backend = backend_of(settings, variants, apart=apart)
    try:
        if settings.backend == "replay":
            turns = {case.id: len(case.turns) for suite in suites for case in suite.cases}
            check_rows(recorded_answers(settings), turns)
            if variants.baseline or variants.earlier:
                check_times(suites)
        if variants.earlier and not allow_unlike:
            names = {suite.name for suite in suites}
            check_environment(variants.earlier, names, variants, backend)
        with Store(settings.path(settings.store)) as store, rare_collection():
            started = time.monotonic()
            plan = make_plan(
                suites,
                tuple(variants),
                backend,
                baseline=variants.baseline,
                select=_with_baseline(select, variants),
                memo=store,
            )
            check_renderings(settings, plan.trials, plan.haystacks, backend)
            answering = [trial.case for trial in plan.trials]
            check_preferences(
                {id(case): case for case in answering}.values(),
                gated=bool(variants.candidates),
                baseline=variants.baseline is not None,
                earlier=variants.earlier,
            )
            preferring = bool(variants.candidates)
            with open_judges(settings, answering, preferring=preferring) as judges:
                plan = replace(with_readings(plan, settings, variants, backend), judges=judges)
                check_limits(plan.trials, backend)
                unused = unused_notes(settings.backend, _options(settings, ()))
                info = begin_record(
                    settings, suites, variants, backend, plan, unused, keep_empty=keep_empty
                )
                store.start_run(info)
                results = Recalled(store, info.id)
                say_of(store, info.id, label=settings.label, note=settings.note)
                try:
                    info, counts, failure = _answer(
                        settings,
                        plan,
                        variants.earlier,
                        backend,
                        store,
                        info,
                        observer,
                        results.take,
                    )
                except InputError:
                    # Refused, as it is only known once the engine starts. Without an answer in it
                    # there is nothing to go on with, and `latest` must not mean it.
                    if not any(result.responses for result in store.results(info.id)):
                        say_of(store, info.id, label="", note="")
                        store.drop_run(info.id)
                    raise
            info = end_record(info, backend, counts, time.monotonic() - started)
            store.finish_run(info)
            return _report(settings, store, info, results, variants.earlier, failure=failure)
    finally:
        backend.close()


def with_readings(plan: Plan, settings: Settings, variants: Variants, backend: Backend) -> Plan:
    """Return the plan with how answers are read: what of them is reasoning, and calls of tools."""
    cases = (trial.case for trial in plan.trials)
    families = families_of(settings.tool_parser, variants, backend, cases)
    forms = reasoning_forms(settings, variants, backend)
    return replace(
        plan,
        reasoning_tags=tags_of(settings, variants),
        reasoning=forms,
        tool_families=families,
        notes=(
            *plan.notes,
            *rendering_notes(plan.trials),
            *family_notes(families),
            *reasoning_notes(forms),
        ),
    )


def backend_of(settings: Settings, variants: Iterable[Variant], *, apart: bool = False) -> Backend:
    """Open the backend of a run with these variants; no engine starts, and its caller closes it.

    `apart`: the answers of two variants are not worked on beside each other, for their times.

    Raises InputError for options, models and adapters that are wrong.
    """
    options = replace(_options(settings, tuple(variants)), apart=apart)
    return open_backend(settings.backend, options)


def reopen(settings: Settings, run_id: str) -> RunReport:
    """Report an earlier run again, from the store alone."""
    with Store(settings.path(settings.store)) as store:
        info = store.run(run_id)
        earlier, warnings = recalled_baseline(settings, info)
        return _report(settings, store, info, Recalled(store, run_id), earlier, warnings)


def _answer(
    settings: Settings,
    plan: Plan,
    earlier: StoredVariant | None,
    backend: Backend,
    store: Store,
    info: RunInfo,
    observer: Observer,
    take: Take,
) -> tuple[RunInfo, Counts, str]:
    """Execute the plan, with early stop and a measure of noise where they were asked for.

    `take` is given each result once it is stored; those of a run with early stop it is not.
    Returns the record with what was spared, the counts, and what broke. What breaks the measure of
    noise does not break the run.
    """
    limits = Limits(run=settings.time_limit)

    def ask(part: Plan, tell: Observer, left: Limits, take: Take | None = None) -> Counts:
        return execute(part, backend, store, info.id, tell, left, take=take)

    if settings.early_stop and info.baseline is not None:
        backend.expect(sum(len(trial.case.turns) for trial in plan.trials))
        several = len({trial.variant.model for trial in plan.trials}) > 1
        reloads = several and backend.one_model_at_a_time
        look = interim_gate(info, info.baseline, earlier).look
        stopped = answer_early(plan, ask, look, observer, limits, reloads=reloads)
        info, counts = note_stop(info, stopped), stopped.counts
    else:
        counts = ask(plan, observer, limits, take)
    if not counts.broken:
        counts += judge_preferences(plan, store, info, earlier, observer, limits)
    if not settings.aa or counts.broken:
        return info, counts, str(counts.broken or "")
    noise = measure_noise(plan, backend, store, info, observer, limits)
    return info, replace(counts + noise, broken=None), str(noise.broken or "")


def _report(
    settings: Settings,
    store: Store,
    info: RunInfo,
    results: Recalled,
    earlier: StoredVariant | None,
    warnings: Sequence[str] = (),
    failure: str = "",
) -> RunReport:
    count, watch = ExtrasCount(), ReasoningWatch(variant_tags(settings, info.variants))
    judgements = recalled_preferences(store, info.id)
    people = recalled_people(store, info, earlier)
    seen = watch.passing(count.passing(results))
    gate = judge_run(info, seen, earlier, judgements, people)
    gate = replace(gate, warnings=(*gate.warnings, *warnings, *watch.warnings()))
    noise = recalled_noise(store, info.id)
    history = past_rates(store, info.id, info.backend)
    scorecard = build_scorecard(
        info,
        gate,
        noise=noise,
        history=history,
        extras={**count.extras(), **people_extras(people, info)},
    )
    keep_rates(store, scorecard)
    directory = settings.path(settings.report_dir)
    paths = write_reports(directory, info.id, scorecard, lambda: results, judgements=judgements)
    return RunReport(info, gate, scorecard, paths, store.path, failure, results.kept)


def _with_baseline(select: Select | None, variants: Variants) -> Select | None:
    """Return the same selection, but the baseline also answers what a candidate answers."""
    if select is None or variants.baseline is None:
        return select

    def chosen(case: Case, variant: Variant) -> bool:
        if variant.name == variants.baseline and any(select(case, v) for v in variants.candidates):
            return True
        return select(case, variant)

    return chosen


def is_cluster_of_others(settings: Settings, backend: str) -> bool:
    """Return whether `ray_address` is there for judges and teachers alone: `backend` needs none.

    With a cluster and no number of replicas, the model has as many as there is room for, otherwise.
    """
    others = (settings.judge, *settings.judges.values(), *settings.teachers.values())
    have_replicas = any(other.replicas for other in others if other is not None)
    return have_replicas and models_of(backend) is not Models.DIRECTORIES


def _options(settings: Settings, variants: tuple[Variant, ...]) -> BackendOptions:
    responses = recorded_answers(settings) if settings.responses else None
    count: int | Literal["all"] | None = settings.replicas
    if (
        count is None
        and settings.ray_address
        and not is_cluster_of_others(settings, settings.backend)
    ):
        count = "all"
    return BackendOptions(
        variants=variants,
        device=settings.device,
        dtype=settings.dtype,
        batch_tokens=settings.batch_tokens,
        responses=responses,
        base_url=settings.base_url,
        trust_remote_code=settings.trust_remote_code,
        engine_args=engine_arguments(settings),
        cache_dir=settings.path(settings.store).parent,
        warm=not settings.no_warm,
        replicas=replicas_of(settings, count),
    )
