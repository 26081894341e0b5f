"""The one way through: load → plan → run → score → gate → report.

Both doors, the nightly comparison and the repair loop go through here, as a user would.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from harness.backends import (
    Backend,
    BackendOptions,
    Models,
    announce,
    check_name,
    check_rows,
    models_of,
    one_model_at_a_time,
    recorded_variants,
    unused_notes,
)
from harness.backends.vllm.server import open_engine
from harness.common import InputError, Problem, Variant, VariantRole, rare_collection
from harness.config import Settings, engine_arguments, load_selected
from harness.evaluation.baseline import Side, check_environment, earlier_baseline
from harness.evaluation.completions import Limits
from harness.evaluation.executor import Counts, execute
from harness.evaluation.judges import open_judges
from harness.evaluation.noise import measure_noise, recalled_noise
from harness.evaluation.plan import Plan, Select, make_plan
from harness.evaluation.record import begin_record, end_record
from harness.evaluation.sequential import answer_early, note_stop, so_far
from harness.evaluation.variants import baseline_name, earlier_side, lineup
from harness.gate import EARLY_STOP, GateReport, SuiteDemand, Verdict, decide
from harness.reports import (
    ExtrasCount,
    ReportPaths,
    Scorecard,
    build_scorecard,
    check_writable,
    keep_rates,
    past_rates,
    write_reports,
)
from harness.results import Observer, Result, RunInfo, ignore
from harness.store import Recalled, Store
from harness.suites import Case, Suite

EXIT_CODES = {
    Verdict.REGRESSED: 1,
    Verdict.BELOW_THRESHOLD: 1,
    Verdict.ERROR: 3,
    Verdict.INCONCLUSIVE: 4,
}
EXIT_ORDER = (2, 1, 3, 4)  # of several, the first counts


@dataclass(frozen=True)
class RunReport:
    """A finished run: what it was, what the gate says, where the files are.

    `failure` says what broke the engine, when something did; what was finished is kept.
    """

    info: RunInfo
    gate: GateReport
    scorecard: Scorecard
    paths: ReportPaths
    store: Path
    failure: str = ""
    kept: tuple[Result, ...] | None = field(default=None, repr=False, compare=False)

    def results(self) -> Iterator[Result]:
        """All results, in their order; those of a large run are read as they are asked for."""
        if self.kept is not None:
            yield from self.kept
            return
        with Store(self.store) as store:
            yield from store.results(self.info.id)

    @property
    def exit_code(self) -> int:
        """0 passed, 1 a gate failed, 3 machinery failed, 4 inconclusive."""
        return exit_code(self.gate, broken=bool(self.failure))


def exit_code(gate: GateReport, *, broken: bool = False) -> int:
    """The exit code of a gate: of several, the first in the order 2, 1, 3, 4."""
    codes = {EXIT_CODES.get(suite.verdict, 0) for suite in gate.suites if suite.verdict}
    codes |= {EXIT_CODES.get(gate.verdict, 0)} if gate.verdict else set()
    codes |= {3} if broken else set()
    return next((code for code in EXIT_ORDER if code in codes), 0)


def cast(settings: Settings) -> tuple[Variant, ...]:
    """The variants of a run under these settings; nothing heavy is loaded."""
    check_name(settings.backend)
    _check_responses(settings)
    if settings.backend != "replay":
        return lineup(settings)
    return lineup(settings, recorded_variants(_responses(settings)))


def _check_responses(settings: Settings) -> None:
    """Recorded answers that nobody reads would look like a gate on them."""
    if settings.responses is None:
        return
    if models_of(settings.backend) in (Models.DIRECTORIES, Models.NAMES):
        raise InputError(
            Problem(
                f"--responses names recorded answers, and backend {settings.backend!r} makes its "
                "own",
                hint="add --backend replay, or use `harness score`",
            )
        )


def run_suites(
    settings: Settings, named: Sequence[str] = (), *, observer: Observer = ignore
) -> RunReport:
    """Load the suites that `named` means (all configured ones without a name), and run them."""
    variants = cast(settings)
    suites = load_selected(named, settings)
    return run(settings, suites, variants, observer=observer)


def run(
    settings: Settings,
    suites: Sequence[Suite],
    variants: Sequence[Variant],
    *,
    select: Select | None = None,
    observer: Observer = ignore,
    allow_unlike: bool = False,
) -> RunReport:
    """Generate what is missing, score, gate and report.

    `select` takes part of the cases; the baseline answers whatever a candidate answers.
    `allow_unlike` asks even where no answer can be compared with an earlier baseline, as it comes
    from another environment. Raises InputError before anything is generated, for all that is
    wrong in the input.
    """
    check_writable(settings.path(settings.report_dir))
    backend = engine_of(settings, variants)
    try:
        if settings.backend == "replay":
            check_rows(_responses(settings), _turns(suites))
        if not allow_unlike and (side := earlier_side(settings, variants)):
            check_environment(side, {suite.name for suite in suites}, variants, backend)
        with Store(settings.path(settings.store)) as store, rare_collection():
            return _run(settings, suites, variants, backend, store, select, observer)
    finally:
        backend.close()


def engine_of(settings: Settings, variants: Sequence[Variant]) -> Backend:
    """The engine of a run with these variants, opened and not started; its caller closes it.

    Raises InputError for options, models and adapters that are wrong.
    """
    options = _options(settings, variants)
    return open_engine(settings.backend, options, warm=not settings.no_warm)


def reopen(settings: Settings, run_id: str) -> RunReport:
    """The report of an earlier run, from the store alone."""
    with Store(settings.path(settings.store)) as store:
        return _report(settings, store, store.run(run_id))


def _run(
    settings: Settings,
    suites: Sequence[Suite],
    variants: Sequence[Variant],
    backend: Backend,
    store: Store,
    select: Select | None,
    observer: Observer,
) -> RunReport:
    started = time.monotonic()
    baseline = baseline_name(variants)
    chosen = _with_baseline(select, variants, baseline)
    plan = make_plan(suites, variants, backend, baseline=baseline, select=chosen, memo=store)
    with open_judges(settings, (trial.case for trial in plan.trials)) as judges:
        plan = replace(plan, judges=judges, reasoning_tags=settings.reasoning_tags)
        info = begin_record(settings, suites, variants, backend, plan, _unused(settings))
        store.start_run(info)
        limits = Limits(run=settings.time_limit)
        if settings.early_stop and info.baseline is not None:
            info, counts = _answer_early(settings, plan, backend, store, info, observer, limits)
        else:
            counts = execute(plan, backend, store, info.id, observer, limits)
        broken = str(counts.broken or "")
        if settings.aa and not broken:
            again = measure_noise(plan, backend, store, info, observer, limits)
            broken = str(again.broken or "")  # the run itself is whole
            counts = replace(counts + again, broken=None)
    info = end_record(info, backend, counts, time.monotonic() - started)
    store.finish_run(info)
    return _report(settings, store, info, broken)


def _answer_early(
    settings: Settings,
    plan: Plan,
    backend: Backend,
    store: Store,
    info: RunInfo,
    observer: Observer,
    limits: Limits,
) -> tuple[RunInfo, Counts]:
    """Ask until a suite has shown a regression, or all of it; the record says what was spared."""

    def ask(part: Plan, tell: Observer, left: Limits) -> Counts:
        return execute(part, backend, store, info.id, tell, left)

    def judge(asked: Mapping[str, int]) -> GateReport:
        return decide_run(settings, so_far(info, asked), store.results(info.id))

    announce(backend, sum(len(trial.case.turns) for trial in plan.trials))
    several = len({trial.variant.model for trial in plan.trials}) > 1
    reloads = several and one_model_at_a_time(backend)
    stopped = answer_early(plan, ask, judge, observer, limits, reloads=reloads)
    return note_stop(info, stopped), stopped.counts


def _report(settings: Settings, store: Store, info: RunInfo, failure: str = "") -> RunReport:
    count = ExtrasCount()
    results = Recalled(store, info.id)
    gate = decide_run(settings, info, count.passing(results))
    noise = recalled_noise(store, info.id)
    history = past_rates(store, info.id, info.backend)
    scorecard = build_scorecard(info, gate, noise=noise, history=history, extras=count.extras())
    keep_rates(store, scorecard)
    directory = settings.path(settings.report_dir)
    paths = write_reports(directory, info.id, scorecard, lambda: results)
    return RunReport(info, gate, scorecard, paths, store.path, failure, results.kept)


def decide_run(settings: Settings, info: RunInfo, results: Iterable[Result]) -> GateReport:
    """Gate results of a run as it was recorded, against an earlier baseline too."""
    roles = {variant.name: variant.role for variant in info.variants}
    demands = [SuiteDemand.of(suite) for suite in info.suites]
    environments = {variant.name: variant.environment for variant in info.variants}
    side, warnings = _recalled_side(settings, info)
    everything = chain(results, _earlier_results(side, info))
    report = decide(
        everything,
        demands,
        roles,
        info.baseline,
        environments=environments,
        sequential=EARLY_STOP in info.execution,
    )
    return replace(report, warnings=(*report.warnings, *warnings)) if warnings else report


def _earlier_results(side: Side | None, info: RunInfo) -> Iterator[Result]:
    """What a baseline that did not answer in this run says of its suites."""
    suites = {suite.name for suite in info.suites}
    if side is not None and info.baseline is not None:
        named = replace(side, name=info.baseline)
        yield from (result for result in named.results() if result.suite in suites)


def _recalled_side(settings: Settings, info: RunInfo) -> tuple[Side | None, tuple[str, ...]]:
    """The baseline of a run that did not answer in it; a warning where it is gone by now."""
    if not info.source:
        return None, ()
    try:
        return earlier_baseline(settings, info.source), ()
    except InputError as error:
        found = "; ".join(problem.message for problem in error.problems)
        return None, (f"the baseline {info.source} cannot be read any more: {found}",)


def _with_baseline(
    select: Select | None, variants: Sequence[Variant], baseline: str | None
) -> Select | None:
    """The same selection; the baseline also answers what a candidate answers."""
    if select is None or baseline is None:
        return select
    others = [v for v in variants if v.role is VariantRole.CANDIDATE]

    def chosen(case: Case, variant: Variant) -> bool:
        if variant.name == baseline and any(select(case, other) for other in others):
            return True
        return select(case, variant)

    return chosen


def _turns(suites: Sequence[Suite]) -> dict[str, int]:
    return {case.id: len(case.turns) for suite in suites for case in suite.cases}


def _options(settings: Settings, variants: Sequence[Variant]) -> BackendOptions:
    return BackendOptions(
        variants=tuple(variants),
        device=settings.device,
        dtype=settings.dtype,
        batch_tokens=settings.batch_tokens,
        responses=_responses(settings) if settings.responses else None,
        base_url=settings.base_url,
        trust_remote_code=settings.trust_remote_code,
        engine_args=engine_arguments(settings),
        cache_dir=settings.path(settings.store).parent,
    )


def _unused(settings: Settings) -> Iterator[str]:
    """Notes on options that the engine passes over."""
    return unused_notes(settings.backend, _options(settings, ()))


def _responses(settings: Settings) -> Path:
    """The file of recorded answers, which `replay` cannot do without."""
    if settings.responses is None:
        raise InputError(Problem("no recorded answers given", hint="add --responses FILE (JSONL)"))
    return settings.path(settings.responses)
