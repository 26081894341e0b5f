"""Rejection sampling: a teacher answers, and only what the checks pass becomes a row.

The teacher goes through `session` as any model does, into a store of the loop's own: a loop that
was killed asks for nothing twice, and the user's runs stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.common import (
    SELF,
    InputError,
    MachineryError,
    Message,
    Problem,
    Sampling,
    TeacherSettings,
    Variant,
    from_dicts,
    nearest,
)
from harness.config import Settings
from harness.evaluation import RunReport, Variants, is_cluster_of_others, run
from harness.results import Observer, Outcome, ignore
from harness.suites import Case, Suite
from harness.training.sources.values import Harvest, counted
from harness.training.values import TrainingRow

NAME = "teacher"


@dataclass(frozen=True)
class Teacher:
    """A model that answers, with the settings of its engine; `label` is for people."""

    settings: Settings
    variant: Variant
    label: str


def aside(settings: Settings, home: Path) -> Settings:
    """Return the same engine, with a store and reports of the loop's own.

    The store lies beside the user's, where a warm engine and known hashes of weights are found.
    """
    plain = {"baseline": None, "aa": False, "early_stop": False, "reference": ()}
    store = settings.store.parent / f"fix-{home.name}.db"
    where = {"store": store, "report_dir": home / "reports"}
    return settings.model_copy(update={**plain, **where})


def find_teacher(settings: Settings, asked: TeacherSettings, own: Variant, home: Path) -> Teacher:
    """Return the teacher of this name; `own` is the model under repair.

    Raise InputError for one that nobody configured.
    """
    if asked.name == SELF:
        return Teacher(aside(settings, home), replace(own, name=NAME), f"{own.name} itself")
    if problem := unknown_teacher(settings, asked.name):
        raise InputError(problem)
    table = settings.teachers[asked.name]
    adapter = str(settings.path(table.adapter)) if table.adapter else None
    model = settings.model_path(table.model, table.backend)
    # A judge that is asked about its answers may have replicas too.
    joins = table.replicas is not None or is_cluster_of_others(settings, table.backend)
    changed: dict[str, Any] = {
        "backend": table.backend,
        "responses": table.responses,
        "device": table.device or settings.device,
        "dtype": table.dtype or settings.dtype,
        "engine_args": table.engine_args,
        "engine_arg": (),
        "base_url": table.base_url,
        "replicas": table.replicas,
        "ray_address": settings.ray_address if joins else "",
    }
    engine = aside(settings, home).model_copy(update=changed)
    return Teacher(engine, Variant(NAME, model, adapter, sampling=table.sampling), asked.name)


def unknown_teacher(settings: Settings, name: str) -> Problem | None:
    """Return what is wrong with a name that is neither `self` nor configured."""
    if name == SELF or name in settings.teachers:
        return None
    return Problem(
        f"no teacher is called {name!r}",
        did_you_mean=nearest(name, [SELF, *settings.teachers]),
        hint=f"add [tool.harness.teachers.{name}] to pyproject.toml, with backend and model",
    )


def ask(
    teacher: Teacher, suite: Suite, cases: Sequence[Case], observer: Observer = ignore
) -> RunReport:
    """Return what the teacher answers to these cases, scored by the suite's checks.

    Raise MachineryError where the engine breaks.
    """
    asked = replace(suite, cases=tuple(cases))
    report = run(teacher.settings, [asked], Variants((teacher.variant,)), observer=observer)
    if report.failure:
        raise MachineryError(Problem(f"the teacher broke: {report.failure}"))
    return report


def teach(
    teacher: Teacher,
    suite: Suite,
    cases: Sequence[Case],
    sampled: TeacherSettings | None = None,
    *,
    replay: bool = False,
    observer: Observer = ignore,
) -> Harvest:
    """Ask for answers to these cases, and keep those that pass all checks, each text once.

    With `sampled`, each is asked several times at its temperature; else once, as the suite says.
    Raise MachineryError where the engine breaks.
    """
    label = f"{teacher.label} on prompts of {suite.name}"
    if not cases:
        return Harvest(label, 0, ())
    asked = tuple(replace(case, repeats=1) for case in cases)
    if sampled is not None:
        drawn = Sampling(temperature=sampled.temperature, top_p=sampled.top_p)
        asked = tuple(
            replace(case, repeats=sampled.samples, sampling=case.sampling.override(drawn))
            for case in cases
        )
    report = ask(teacher, suite, asked, observer)
    return _kept(label, report, asked, replay, f"{teacher.label}, {suite.path}")


def _kept(
    label: str, report: RunReport, asked: Sequence[Case], replay: bool, source: str
) -> Harvest:
    tools = {case.id: case.tools for case in asked}
    rows: dict[tuple[str, tuple[str, ...]], TrainingRow] = {}
    reasons: list[str] = []
    tokens, offered = 0, 0
    for result in report.results():
        offered += 1
        tokens += result.completion_tokens
        key = result.case, result.responses
        if result.outcome is not Outcome.PASS:
            reasons.append(
                "a check did not pass it" if result.outcome is Outcome.FAIL else "no answer"
            )
        elif key in rows:
            reasons.append("the same answer again")
        else:
            text, thought = result.responses[-1], "".join(result.reasoning[-1:])
            # In marks it is in the text; what a server gave apart is written by the template.
            apart = "" if thought in text else thought
            rows[key] = TrainingRow(
                (*from_dicts(result.prompt), Message("assistant", text, reasoning=apart)),
                f"{source} {result.case}",
                replay=replay,
                group=result.case,
                tools=tools[result.case],
            )
    kept = tuple(rows.values())
    return Harvest(label, offered, kept, counted(reasons), tokens, report.info.seconds)
