"""The record of a run: who took part, on what, under which settings, and how it ended."""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harness import __version__
from harness.backends import Backend
from harness.common import JsonValue, Variant, VariantRole
from harness.config import Settings, given_options, said_in
from harness.evaluation.baseline import Side
from harness.evaluation.executor import Counts
from harness.evaluation.judges import describe_judges
from harness.evaluation.keys import describe_variant
from harness.evaluation.plan import Plan
from harness.evaluation.trial import Trial
from harness.evaluation.variants import baseline_name, earlier_side
from harness.results import RunInfo, SuiteInfo, VariantInfo
from harness.suites import Suite


def begin_record(
    settings: Settings,
    suites: Sequence[Suite],
    variants: Sequence[Variant],
    backend: Backend,
    plan: Plan,
    notes: Iterable[str] = (),
) -> RunInfo:
    """The record of a run that begins now; `notes` stand beside those of its parts."""
    now, baseline = datetime.now(UTC), baseline_name(variants)
    present = {trial.variant.name: trial.variant for trial in _everything(plan)}
    described = [describe_variant(variant, backend) for variant in present.values()]
    earlier = earlier_side(settings, variants)
    named = _free_name(earlier, present) if earlier else baseline
    present_suites = {trial.case.suite for trial in _everything(plan)}
    return RunInfo(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        started=now.isoformat(timespec="seconds"),
        seconds=0.0,
        harness_version=__version__,
        backend=backend.name,
        baseline=named if earlier or named in present else None,
        suites=tuple(
            _suite_info(settings, suite, plan) for suite in suites if suite.name in present_suites
        ),
        variants=(*_described(earlier, named), *described),
        notes=(*_borrowed(earlier, named), *backend.notes, *notes, *plan.notes),
        scorers=_scorers(suites),
        judges=describe_judges(plan.judges),
        options=given_options(settings),
        source=earlier.source if earlier else "",
    )


def _free_name(side: Side, taken: Container[str]) -> str:
    """A name for an earlier baseline that no variant of this run has."""
    if side.name not in taken:
        return side.name
    end = "committed" if side.text.endswith(".json") else side.info.id.rpartition("-")[2]
    return f"{side.name}-{end}"


def _described(earlier: Side | None, name: str | None) -> list[VariantInfo]:
    """An earlier baseline as a variant of this run."""
    if earlier is None or name is None:
        return []
    return [replace(earlier.variant, name=name, role=VariantRole.BASELINE)]


def _borrowed(earlier: Side | None, name: str | None) -> Iterator[str]:
    """Whose answers the baseline's are, where it does not answer in this run."""
    if earlier is not None:
        place = f"{earlier.text}, " if earlier.in_file else ""
        yield f"{name}: answers of {place}{earlier.whole}"


def end_record(info: RunInfo, backend: Backend, counts: Counts, seconds: float) -> RunInfo:
    """The record of a run that is over."""
    return replace(
        info,
        seconds=seconds,
        notes=tuple(dict.fromkeys((*backend.notes, *info.notes))),
        execution={**backend.execution(), **info.execution},
        generated=counts.generated,
        cached=counts.cached,
        finished=counts.broken is None,
    )


def _suite_info(settings: Settings, suite: Suite, plan: Plan) -> SuiteInfo:
    """`selected` counts the cases that every candidate of the run answers."""
    taken: dict[str, set[str]] = {}
    everyone = _everything(plan)
    names = {t.variant.name for t in everyone if t.variant.role is VariantRole.CANDIDATE}
    names = names or {t.variant.name for t in everyone}
    for trial in everyone:
        if trial.case.suite == suite.name:
            taken.setdefault(trial.variant.name, set()).add(trial.case.id)
    return SuiteInfo(
        name=suite.name,
        category=suite.category,
        path=said_in(Path.cwd(), suite.path, settings.root),
        description=suite.description,
        gate=suite.gate,
        cases=len(suite.cases),
        selected=min((len(taken.get(name, ())) for name in names), default=0),
        sampling=_sampling(suite),
    )


def _sampling(suite: Suite) -> dict[str, JsonValue]:
    """How answers of this suite are drawn; a setting in which its cases differ is null."""
    drawn = [{**c.sampling.model_dump(mode="json"), "repeats": c.repeats} for c in suite.cases]
    first = drawn[0] if drawn else {}
    return {k: v if all(row[k] == v for row in drawn) else None for k, v in first.items()}


def _everything(plan: Plan) -> list[Trial]:
    """All trials of a run, those with a known outcome too."""
    return [*plan.trials, *(skip.trial for skip in plan.skipped)]


def _scorers(suites: Sequence[Suite]) -> dict[str, int]:
    checks = [
        check for s in suites for case in s.cases for turn in case.turns for check in turn.checks
    ]
    return {check.name: check.scorer.version for check in sorted(checks, key=lambda c: c.name)}
