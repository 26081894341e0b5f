"""What a repair will do: which suites failed, what repairs them, and what must not be lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.common import (
    FixSettings,
    GateSettings,
    InputError,
    Method,
    Problem,
    ReplaySettings,
    Sampling,
    Variant,
    VariantRole,
    digest,
    nearest,
    plural,
)
from harness.common.reading import read_bytes
from harness.config import Settings, select_files
from harness.evaluation import decide_run
from harness.results import GateReport, Outcome, Result, RunInfo, SuiteResult, VariantInfo, Verdict
from harness.store import existing_store, find_run
from harness.suites import Case, Position, Suite, load_suites
from harness.training.repair.blocks import check_blocks
from harness.training.repair.promotion import AdapterPlace
from harness.training.repair.values import FixOptions

DIGITS = 8  # hexadecimal; cuts the range from 0 to 1 finely enough


@dataclass(frozen=True)
class Split:
    """The cases of a suite on both sides. Cases of one cluster are on one side."""

    dev: tuple[Case, ...]
    holdout: tuple[Case, ...]


def split_suite(suite: Suite, share: float) -> Split:
    """Split by the hash of each case's id, or of its cluster: `share` of them are held out.

    A case keeps its side when others are added, or when its text is mended. Raise InputError
    where a side is empty.
    """
    held = set()
    for case in suite.cases:
        kind, name = ("cluster", case.cluster) if case.cluster else ("case", case.id)
        # A number from 0 to 1 that is the same on every machine.
        if int(digest([suite.name, kind, name], DIGITS), 16) / 16**DIGITS < share:
            held.add(case.id)
    dev = tuple(case for case in suite.cases if case.id not in held)
    holdout = tuple(case for case in suite.cases if case.id in held)
    if not dev or not holdout:
        side = "holdout" if not holdout else "dev"
        raise InputError(
            Problem(
                f"suite {suite.name!r} cannot be split: no case is left for {side}",
                path=suite.path,
                line=suite.line,
                found=f"{plural(len(suite.cases), 'case')}, holdout {share:g}",
                hint="add cases, or change fix: {holdout: ...}",
            )
        )
    return Split(dev, holdout)


METHODS = ("sft", "dpo", "grpo")  # the cheapest first
FAILING = (Verdict.REGRESSED, Verdict.BELOW_THRESHOLD, Verdict.INCONCLUSIVE)
FOLDER = "fix"  # beside the store
PREFIX = "fix-"  # of the variants that loops make: their runs are no runs to repair


@dataclass(frozen=True)
class Target:
    """A failing suite that is repaired: its sides, and what failed on the dev side.

    `weak` are the places of the families in which a dev case failed; `passed` are the dev cases
    that the variant under repair passes.
    """

    suite: Suite
    fix: FixSettings
    split: Split
    found: SuiteResult
    weak: frozenset[Position]
    passed: frozenset[str]


@dataclass(frozen=True)
class FixPlan:
    """All that the loop does follows from this. `id` names it: the same plan is resumed.

    `seed` draws its rows. It is made of what is repaired with what, and not of the run's own name:
    the same failures, found again, are repaired with the same rows.

    `before` is the variant under repair; `baseline` what the run compared it with, if anything;
    `was` is the adapter in use. `others` must lose nothing; those in `open` failed before and are
    not repaired here, or were not in the run (`unseen`), so their own bars do not count. `home` is
    where the loop keeps what it has finished.
    """

    id: str
    seed: str
    run: RunInfo
    before: Variant
    baseline: Variant | None
    targets: tuple[Target, ...]
    others: tuple[Suite, ...]
    open: frozenset[str]
    unseen: frozenset[str]
    fix: FixSettings
    rounds: int
    method: Method
    place: AdapterPlace
    was: str
    options: FixOptions
    home: Path

    @property
    def schedule(self) -> tuple[str, ...]:
        """The method of each round, at most; `auto` goes from the cheapest to the dearest."""
        methods = METHODS if self.method == "auto" else (self.method,)
        return tuple(method for method in methods for _ in range(self.rounds))

    @property
    def suites(self) -> tuple[Suite, ...]:
        """All suites of the run and of the configuration, as they are today."""
        return (*(target.suite for target in self.targets), *self.others)

    @property
    def in_use(self) -> str | None:
        """The directory of the adapter in use, if there is one."""
        return str(self.place.folder / self.was) if self.was else None

    @property
    def name(self) -> str:
        """The name of the new adapter as a variant."""
        return PREFIX + self.id


@contextmanager
def noted(problems: list[Problem]) -> Iterator[None]:
    """Note what is wrong in the input instead of raising it: what else is wrong is looked for."""
    try:
        yield
    except InputError as error:
        problems += error.problems


def make_plan(
    settings: Settings, options: FixOptions, problems: list[Problem] | None = None
) -> FixPlan | None:
    """Return the plan for a run; None where nothing failed.

    Raise InputError for a run, suites or settings that cannot be repaired, with all that stands in
    the way; what leaves a plan to look at is added to `problems`, where those are given.
    """
    with existing_store(settings.path(settings.store)) as store:
        # `latest` passes over runs that judged a repair.
        info = find_run(
            store,
            options.run,
            passes_over=lambda run: any(v.name.startswith(PREFIX) for v in run.variants),
        )
        verdicts = decide_run(settings, store, info)
        results = list(store.results(info.id))
    variant = _failing_variant(info, verdicts, options)
    if variant is None:
        return None
    paths = [Path(_found(settings, suite.path)) for suite in info.suites]
    ran = load_suites(paths, modules=settings.modules)  # as they are today
    # A repair may break as well what is configured, and was left out of the run.
    known = {Path(suite.path).resolve() for suite in ran}
    files = select_files((), settings) if settings.suites else []
    more = [file for file in files if file.resolve() not in known]
    names = {suite.name for suite in ran}  # a copy that was run from another place stands for it
    found_more = load_suites(more, modules=settings.modules) if more else ()
    unseen = tuple(suite for suite in found_more if suite.name not in names)
    suites = (*ran, *unseen)
    failed = {v.suite: v for v in verdicts.suites if v.variant == variant and v.verdict in FAILING}
    before = [result for result in results if result.variant == variant]
    chosen: list[Suite] = []
    targets: tuple[Target, ...] = ()
    fix = FixSettings()
    found: list[Problem] = []
    with noted(found):
        chosen = _chosen(ran, failed, options.suites)
    names = {suite.name for suite in chosen} or set(failed)
    with noted(found):
        check_blocks(settings, chosen)
    for suite in chosen:
        with noted(found):
            targets = (*targets, _target(suite, failed[suite.name], before))
    if targets:
        with noted(found):
            fix = _combined(targets, options)
    others = tuple(suite for suite in suites if suite.name not in names)
    small: list[Problem] = []
    with noted(small):
        drops = (suite.fix.max_drop for suite in chosen if suite.fix)
        _check_sizes(others, min(drops, default=fix.max_drop))
    if found or (small and problems is None):
        raise InputError(*found, *small)
    if problems is not None:
        problems += small
    place = AdapterPlace(settings.path(options.current))
    content = _content_of(variant, targets, suites, options, settings)
    # Eight digits of all that the result depends on, so that the same command goes on.
    name = digest([info.id, str(options.current), settings.backend, *content], 8)
    own = _variant(settings, next(v for v in info.variants if v.name == variant))
    # What the run compared with, unless it is the variant itself or a committed file.
    there = {result.variant for result in results} - {variant}
    baselines = [v for v in info.variants if v.name == info.baseline and v.name in there]
    return FixPlan(
        id=name,
        seed=digest(content, 8),
        run=info,
        before=own,
        baseline=_variant(settings, baselines[0]) if baselines else None,
        targets=targets,
        others=others,
        open=(frozenset(failed) - names) | {suite.name for suite in unseen},
        unseen=frozenset(suite.name for suite in unseen),
        fix=fix,
        rounds=options.rounds or fix.rounds,
        method=fix.method,
        place=place,
        was=place.adapter(),
        options=options,
        home=settings.path(settings.store).parent / FOLDER / name,
    )


# -- the run ---------------------------------------------------------------------------------------


def _failing_variant(info: RunInfo, verdicts: GateReport, options: FixOptions) -> str | None:
    """Return the candidate under repair; raise InputError where it must be named."""
    if not info.finished:
        problem = f"run {info.id} did not finish"
        raise InputError(Problem(problem, hint="run the same suites again: it goes on"))
    candidates = [v.name for v in info.variants if v.role is VariantRole.CANDIDATE]
    failed = {row.variant for row in verdicts.suites if row.verdict in FAILING}
    failing = [name for name in candidates if name in failed]
    if options.variant is not None and options.variant not in failing:
        raise InputError(
            Problem(
                f"{options.variant!r} is no candidate that failed in run {info.id}",
                expected=", ".join(failing) or "a run in which a candidate failed",
                did_you_mean=nearest(options.variant, failing),
            )
        )
    if options.variant is None and len(failing) > 1:
        raise InputError(
            Problem(
                f"{len(failing)} candidates failed in run {info.id}",
                found=", ".join(failing),
                hint="say which one is to be repaired: --candidate NAME",
            )
        )
    return options.variant or next(iter(failing), None)


def _variant(settings: Settings, info: VariantInfo) -> Variant:
    """Return a variant of the run, with its paths as they are found from here."""
    sampling = Sampling.model_validate(dict(info.sampling), strict=False) if info.sampling else None
    return Variant(
        info.name,
        _found(settings, info.model),
        _found(settings, info.adapter) if info.adapter else None,
        info.system,
        sampling,
        info.role,
        chat_template=_found(settings, info.chat_template) if info.chat_template else None,
        template_args=info.chat_template_args,
        template_defaults=info.chat_template_defaults,
        system_role=info.system_role,
    )


def _found(settings: Settings, text: str) -> str:
    """Return a path that the run was told, seen from here; a name as it is."""
    there = settings.path(text)
    return str(there) if there.exists() else text


# -- what is repaired ------------------------------------------------------------------------------


def _chosen(
    suites: Sequence[Suite], failed: Mapping[str, SuiteResult], named: Sequence[str]
) -> list[Suite]:
    problems = []
    for name in named:
        if name not in failed:
            known = name in {suite.name for suite in suites}
            why = "did not fail" if known else "is not in this run"
            close = nearest(name, failed)
            expected = ", ".join(failed)
            problems.append(Problem(f"suite {name!r} {why}", expected=expected, did_you_mean=close))
    if problems:
        raise InputError(*problems)
    asked = [suite for suite in suites if suite.name in (named or failed)]
    without = [suite for suite in asked if suite.fix is None]
    if without and (named or len(without) == len(asked)):
        hint = "add a section fix: with pools, generate or teacher (docs/repair.md)"
        raise InputError(
            *(
                Problem(
                    f"suite {suite.name!r} failed, and does not say what repairs it",
                    path=suite.path,
                    line=suite.line,
                    hint=hint,
                )
                for suite in without
            )
        )
    return [suite for suite in asked if suite.fix is not None]


def _target(suite: Suite, found: SuiteResult, results: Sequence[Result]) -> Target:
    assert suite.fix is not None
    split = split_suite(suite, suite.fix.holdout)
    mine = {result.case: result for result in results if result.suite == suite.name}
    changed = [c for c in suite.cases if c.id not in mine or mine[c.id].case_hash != c.hash]
    if changed:
        raise InputError(
            Problem(
                f"suite {suite.name!r} has changed since the run",
                path=suite.path,
                found=f"{len(changed)} of {len(suite.cases)} cases, {changed[0].id} among them",
                hint="run it again, and fix that run",
            )
        )
    failed = {
        result.case
        for result in results
        if result.suite == suite.name and result.outcome is not Outcome.PASS
    }
    weak = frozenset(case.position for case in split.dev if case.id in failed)
    passed = frozenset(case.id for case in split.dev if case.id not in failed)
    return Target(suite, suite.fix, split, found, weak, passed)


def _combined(targets: Sequence[Target], options: FixOptions) -> FixSettings:
    """Return what holds for the loop as a whole: the strictest of what its suites say.

    Raise InputError where suites do not agree on the training.
    """
    fixes = [target.fix for target in targets]
    pools = tuple(dict.fromkeys(pool for fix in fixes for pool in fix.replay.pools))
    train: dict[str, Any] = {}
    agreed: dict[str, Any] = {} if options.method is None else {"method": options.method}
    for target in targets:
        said = [("fix: train", train, key, value) for key, value in target.fix.train.items()]
        said += [("fix", agreed, "rewards", target.fix.rewards)]
        said += [("fix", agreed, "method", target.fix.method)] if not options.method else []
        for where, known, key, value in said:
            if known.setdefault(key, value) != value:
                raise InputError(
                    Problem(
                        f"two suites want another {key!r} under {where}",
                        path=target.suite.path,
                        found=f"{value!r} and {known[key]!r}",
                        hint="say the same in both, or repair one after the other with --suite",
                    )
                )
    return FixSettings(
        replay=ReplaySettings(share=max(fix.replay.share for fix in fixes), pools=pools),
        rows=max(fix.rows for fix in fixes),
        max_drop=min(fix.max_drop for fix in fixes),
        holdout=max(fix.holdout for fix in fixes),
        rounds=max(fix.rounds for fix in fixes),
        train=train,
        select="suites" if any(fix.select == "suites" for fix in fixes) else "loss",
        **agreed,
    )


def _check_sizes(others: Sequence[Suite], max_drop: float) -> None:
    """A suite with which nothing could ever be shown would reject every fix: say so at once."""
    needed = GateSettings(policy="non_inferiority", max_drop=max_drop).smallest_suite
    drops = [
        GateSettings(policy="non_inferiority", max_drop=points / 100) for points in range(1, 100)
    ]
    problems = []
    for suite in others:
        items = {("cluster", c.cluster) if c.cluster else ("case", c.id) for c in suite.cases}
        if len(items) < needed:
            enough = [gate.max_drop for gate in drops if gate.smallest_suite <= len(items)]
            problems.append(
                Problem(
                    f"suite {suite.name!r} is too small to show that it lost less than "
                    f"{max_drop:g}",
                    path=suite.path,
                    line=suite.line,
                    found=f"{len(items)} cases or clusters",
                    expected=f"{needed}, or no fix could be promoted, even one that changes "
                    "nothing",
                    hint=f"add {needed - len(items)}, or raise max_drop under fix:"
                    + (f" to {enough[0]:g}" if enough else ""),
                )
            )
    if problems:
        raise InputError(*problems)


def _content_of(
    variant: str,
    targets: Sequence[Target],
    suites: Sequence[Suite],
    options: FixOptions,
    settings: Settings,
) -> list[Any]:
    """Return what a repair is made of: which cases failed, and what they are repaired with."""
    file = settings.path(options.bad_cases) if options.bad_cases else None
    bad = read_bytes(file) if file and file.is_file() else b""  # its reader says that it is missing
    return [
        [variant, options.rounds, options.paraphrases, bad.hex()]
        + ([options.method] if options.method else []),
        [[suite.name, [case.hash for case in suite.cases]] for suite in suites],
        [[t.suite.name, t.fix.content(), sorted(t.passed)] for t in targets],
    ]
