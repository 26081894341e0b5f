"""What can stop a repair, checked before it spends time; a dry run makes the same checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.backends import Models, models_of, open_model
from harness.common import SELF, InputError, Message, Problem, demand_writable
from harness.config import Settings
from harness.evaluation import backend_of
from harness.training.repair.plan import FixPlan, noted
from harness.training.repair.promotion_checks import variants_in
from harness.training.repair.rewards import engine_of
from harness.training.repair.rounds import train_config
from harness.training.sft import Lesson, demand_served, prepare, rehearse
from harness.training.sources import find_teacher
from harness.training.values import Pair, Rollout, TrainingRow

# Stand for the rows of a training while its settings are tried.
SAMPLES = tuple(
    TrainingRow((Message("user", f"Say {word}."), Message("assistant", word)), "sample")
    for word in ("one", "two")
)


def lessons_of(method: str, rows: Sequence[TrainingRow]) -> tuple[Lesson, ...]:
    """Return rows as what a method learns from, for a training that is only tried."""
    answers = [(row.messages[:-1], row.messages[-1].content) for row in rows]
    if method == "dpo":
        return tuple(Pair(prompt, text, f"{text} not", "sample") for prompt, text in answers)
    if method == "grpo":
        return tuple(Rollout(prompt, text, 1.0, 1.0, "sample") for prompt, text in answers)
    return tuple(rows)


def check_ready(plan: FixPlan, settings: Settings, problems: list[Problem]) -> None:
    """Add to `problems` where engines, trainer or places are not as a repair needs them.

    Raise InputError with all of them where there is no model: without one, nothing else can be
    looked at.
    """
    missing: list[Problem] = []
    with noted(missing):
        _check_model(plan)
    if missing:
        raise InputError(*problems, *missing)
    with noted(problems):
        _check_engines(plan, settings)


def _check_model(plan: FixPlan) -> None:
    """Raise InputError where no weights are here that an adapter could be trained on."""
    hint = "run the same suites with --model M, and fix that run"
    if models_of(plan.run.backend) is Models.NONE:
        message = f"run {plan.run.id} has no model that could be trained"
        found = f"answers that no model gave (backend {plan.run.backend})"
        raise InputError(Problem(message, found=found, hint=hint))
    try:
        open_model(plan.before.model)
    except InputError as error:
        raise InputError(*(replace(problem, hint=hint) for problem in error.problems)) from None


def _check_engines(plan: FixPlan, settings: Settings) -> None:
    """Raise InputError where the model's template, an engine or a place stands in the way."""
    from harness.backends.hf.placement import check_named  # imports torch

    # An adapter is trained with the template that its base is served with.
    if plan.before.chat_template:
        raise InputError(
            Problem(
                f"variant {plan.before.name!r} has a chat template of its own, and an adapter is "
                "trained with the model's",
                found=plan.before.chat_template,
                hint="put that template into the model's directory, and run without it",
            )
        )
    # The engine that judges must take the new adapter; a teacher's must be there.
    if models_of(settings.backend) in (Models.NONE, Models.NAMES):
        raise InputError(
            Problem(
                f"backend {settings.backend!r} cannot answer with an adapter that is trained here",
                hint="add --backend hf or --backend vllm",
            )
        )
    check_named(settings.device, settings.dtype)
    backend_of(settings, variants_in(plan, None)).close()
    teachers = {t.fix.teacher.name: t.fix.teacher for t in plan.targets if t.fix.teacher}
    for name, asked in teachers.items():
        if name != SELF:
            teacher = find_teacher(settings, asked, plan.before, plan.home)
            backend_of(teacher.settings, [teacher.variant]).close()
    engines = [settings]
    if "grpo" in plan.schedule:
        engines.append(engine_of(settings, plan.fix.rewards))
        backend_of(engines[-1], variants_in(plan, None)).close()
    # As the training will: with two rows of ours, whose length is no matter of the settings.
    for method in dict.fromkeys(plan.schedule):
        config = train_config(plan, settings, plan.home, method)
        config = config.model_copy(update={"max_length": None})
        if any(engine.backend == "vllm" for engine in engines):
            demand_served(config)
        samples = lessons_of(method, SAMPLES)
        rehearse(prepare(config, samples, cache=settings.path(settings.store).parent))
    demand_writable(plan.home, "let this user write there: the loop keeps there what it has done")
    demand_writable(plan.place.folder, "name another place for the link: --current PATH")
