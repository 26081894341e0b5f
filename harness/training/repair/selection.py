"""Checkpoints chosen by what they do: gated beside each other, in one engine, against one baseline.

The lowest held-out loss says which checkpoint writes such rows best, and nothing of what it has
forgotten. Here every checkpoint answers the same cases, paired with what it would replace: the best
of those that lost no suite is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.common import GateSettings, InputError, MachineryError, Problem, Variant, VariantRole
from harness.config import Settings
from harness.evaluation import Variants, run
from harness.results import Observer, Verdict, ignore
from harness.suites import Suite
from harness.training.repair.plan import split_suite
from harness.training.repair.promotion_checks import alone
from harness.training.sft import TrainedAdapter, choose

HALF = 0.5  # of a suite's cases are looked at, where it does not say how many are held out


@dataclass(frozen=True, slots=True)
class CheckpointReport:
    """What a checkpoint does: `passed` of `n` cases that count, and the suites that it `forgot`.

    `lost` counts cases of other suites that the baseline passes and it does not, less those the
    other way round.
    """

    step: int
    loss: float | None
    passed: int
    n: int
    lost: int
    forgot: tuple[str, ...]


def selection_suites(suites: Sequence[Suite], share: float = HALF) -> tuple[Suite, ...]:
    """Return the part of each suite that choosing may look at: its dev side, as a repair splits it.

    A suite too small to be split is taken whole. Bars do not count here, losses do.
    """
    found = []
    for suite in suites:
        try:
            cases = split_suite(suite, suite.fix.holdout if suite.fix else share).dev
        except InputError:
            cases = suite.cases
        gate = GateSettings(
            policy="no_regression", alpha=suite.gate.alpha, on=suite.gate.without_people
        )
        found.append(replace(suite, cases=cases, gate=gate))
    return tuple(found)


def select_checkpoint(
    settings: Settings,
    before: Variant,
    trained: TrainedAdapter,
    suites: Sequence[Suite],
    counted: Collection[str],
    *,
    prefix: str = "",
    observer: Observer = ignore,
) -> dict[str, Any]:
    """Make the best checkpoint the adapter; return all of them, and which it is.

    `before` is what they are compared with. Cases of the suites in `counted` say which is best.
    Raise MachineryError where the engine breaks.
    """
    steps = {int(path.name.rpartition("-")[2]): path for path in trained.checkpoints}
    named = {f"{prefix}step-{step}": step for step in steps}
    candidates = (
        replace(before, name=name, adapter=str(steps[step]), role=VariantRole.CANDIDATE)
        for name, step in named.items()
    )
    variants = Variants((replace(before, role=VariantRole.BASELINE), *candidates))
    report = run(alone(settings), list(suites), variants, observer=observer)
    if report.failure:
        raise MachineryError(Problem(f"the engine broke: {report.failure}"))
    losses = dict(trained.history.held_out)
    found = []
    for name, step in named.items():
        mine = [row for row in report.gate.suites if row.variant == name]
        others = [row.comparison for row in mine if row.suite not in counted and row.comparison]
        found.append(
            CheckpointReport(
                step=step,
                loss=losses.get(step),
                passed=sum(row.rate.passed for row in mine if row.suite in counted),
                n=sum(row.rate.n for row in mine if row.suite in counted),
                lost=sum(len(one.worse) - len(one.better) for one in others),
                forgot=tuple(row.suite for row in mine if row.verdict is Verdict.REGRESSED),
            )
        )
    best = best_checkpoint(found)
    selection = {"step": best.step, "checkpoints": [asdict(one) for one in found]}
    choose(trained.path, best.step, selection)
    return selection


def best_checkpoint(found: Sequence[CheckpointReport]) -> CheckpointReport:
    """Return the one that passes most among those that forgot nothing; of equal ones the one that
    lost least, then that of the lowest loss. Where all forgot something, the one that lost least.
    """
    kept = [one for one in found if not one.forgot]

    def order(one: CheckpointReport) -> tuple[float, ...]:
        loss = float("inf") if one.loss is None else one.loss
        if kept:
            return -one.passed, one.lost, loss, one.step
        return len(one.forgot), one.lost, -one.passed, loss

    return min(kept or found, key=order)


def selection_lines(selection: Mapping[str, Any]) -> list[str]:
    """Return a line for each checkpoint."""
    lines = []
    for one in selection["checkpoints"]:
        forgot = ", ".join(one["forgot"])
        told = [f"checkpoint {one['step']}: {one['passed']} of {one['n']}"]
        told += [] if one["loss"] is None else [f"held-out loss {one['loss']:.3g}"]
        told += [f"forgets {forgot}"] if forgot else []
        told += ["taken"] if one["step"] == selection["step"] else []
        lines.append(", ".join(told))
    return lines
