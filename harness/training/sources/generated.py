"""Rows from a suite's own generators: prompts that no case has, answers that its checks pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from harness.backends import Backend
from harness.common import GenerateSettings, Variant
from harness.evaluation import make_plan
from harness.suites import Case, Position, Suite, practice_suite
from harness.training.sources.references import reference_conversation
from harness.training.sources.values import Harvest, counted
from harness.training.values import TrainingRow


@dataclass(frozen=True)
class Practice:
    """Prompts to train on. `answered` have a right answer, given away by their own checks."""

    answered: Harvest
    open: tuple[Case, ...]


def practice_cases(
    suite: Suite,
    generate: GenerateSettings | None,
    *,
    tag: str,
    weak: Collection[Position] = (),
    modules: Iterable[str] = (),
) -> tuple[Case, ...]:
    """Make cases of the suite's families under other seeds and rows; add those it retired.

    `weak` are the places of the families in which something failed: others are left alone, unless
    no family is among them.
    """
    found: tuple[Case, ...] = ()
    if generate is not None:
        rows = dict(generate.rows)
        made = practice_suite(suite.path, tag=tag, seeds=generate.seeds, rows=rows, modules=modules)
        found = made.cases if made else ()
    some = tuple(case for case in found if case.position in weak) or found
    return (*suite.retired, *some)


def practise(
    suite: Suite, cases: Sequence[Case], backend: Backend, variant: Variant, *, replay: bool = False
) -> Practice:
    """Answer as many of these cases as their own checks give an answer for.

    The backend cuts haystacks to their length; no weights are loaded.
    """
    plan = make_plan([replace(suite, cases=tuple(cases))], [variant], backend)
    fits = [trial.case for trial in plan.trials if trial.repeat == 0]
    rows: list[TrainingRow] = []
    still_open: list[Case] = []
    for case in fits:
        messages = reference_conversation(case, plan.haystacks.get(case.id))
        if messages is None:
            still_open.append(case)
        else:
            rows.append(
                TrainingRow(
                    messages,
                    f"{suite.path} {case.id}",
                    replay=replay,
                    group=case.id,
                    tools=case.tools,
                )
            )
    reasons = ["longer than the model takes"] * (len(cases) - len(fits))
    reasons += ["no check gives the answer away"] * len(still_open)
    harvest = Harvest(f"generators of {suite.name}", len(cases), tuple(rows), counted(reasons))
    return Practice(harvest, tuple(still_open))
