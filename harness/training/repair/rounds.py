"""One round: gather rows, clean them, guard the cases, train, and look at the dev side."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.backends import open_model
from harness.common import (
    InputError,
    MachineryError,
    Problem,
    VariantRole,
    alone,
    whole_file,
)
from harness.config import Settings
from harness.evaluation import Variants, run
from harness.prompts import load_tokenizer
from harness.results import Observer, ignore
from harness.training.cleaning import CleaningSettings, clean
from harness.training.contamination import Guard
from harness.training.repair.gathering import Gathering
from harness.training.repair.plan import FixPlan
from harness.training.repair.values import DevReport, RoundReport, SourceReport, TrainingReport
from harness.training.sft import Observer as TrainObserver
from harness.training.sft import TrainConfig, train
from harness.training.sources import (
    Harvest,
    aside,
    harvest_from_json,
    harvest_to_json,
)
from harness.training.values import TrainingRow

Body = dict[str, Any]


@dataclass(frozen=True)
class Stages:
    """The stages of one loop, each a file of JSON in its folder.

    `say` is told what begins. A loop that was killed finds the files of what it had finished.
    """

    home: Path
    say: Callable[[str], None]

    def once(self, name: str, make: Callable[[], Body], told: str = "") -> Body:
        """Return what the stage found: from its file, else made now and written whole."""
        path = self.home / f"{name}.json"
        if path.is_file():
            found: Body = json.loads(path.read_text(encoding="utf-8"))["found"]
            return found
        if told:
            self.say(told)
        started = time.monotonic()
        made = make()
        body = {"seconds": round(time.monotonic() - started, 3), "found": made}
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            json.dump(body, file, ensure_ascii=False, indent=1)
        return made

    def done(self, name: str) -> bool:
        """Return whether the stage is finished."""
        return (self.home / f"{name}.json").is_file()

    def seconds(self, name: str) -> float:
        """Return how long a finished stage took; 0 for one that is not."""
        path = self.home / f"{name}.json"
        if not path.is_file():
            return 0.0
        return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])

    def alone(self) -> AbstractContextManager[None]:
        """Lock out other processes; raise MachineryError while one works on the same loop."""
        return alone(self.home / "lock", "this repair is running already", self.home)


@dataclass(frozen=True)
class Watchers:
    """Who is told what happens: answers being made, and steps of the training."""

    answers: Observer = ignore
    training: TrainObserver = lambda event: None


@dataclass(frozen=True)
class Rounds:
    """The rounds of one loop. Every stage is done once, and found again after a kill."""

    plan: FixPlan
    settings: Settings
    stages: Stages
    watchers: Watchers = Watchers()

    def one(self, number: int) -> RoundReport:
        """Do round `number`, counted from 1; earlier rounds are finished."""
        harvests = self._gathered(number)
        checked = self._checked(number)
        rows = harvest_from_json(checked["rows"]).rows
        trained = self._trained(number, rows, checked["guard"])
        dev = self._dev(number, trained["adapter"])
        facts = trained["manifest"]["run"]
        return RoundReport(
            number=number,
            sources=tuple(
                SourceReport(
                    found.source,
                    found.offered,
                    found.kept,
                    any(row.replay for row in found.rows),
                    dict(found.left_out),
                )
                for found in harvests
            ),
            teaching=sum(not row.replay for row in rows),
            replay=sum(row.replay for row in rows),
            cleaning=checked["cleaning"],
            guard=checked["guard"],
            training=TrainingReport(
                steps=trained["steps"],
                seconds=float(facts["seconds"]),
                tokens=int(facts["tokens"]),
                losses=tuple((int(step), float(loss)) for step, loss in trained["losses"]),
                held_out=tuple((int(step), float(loss)) for step, loss in trained["held_out"]),
                settings=trained["settings"],
            ),
            dev=dev,
            adapter=trained["adapter"],
        )

    def seconds(self, number: int) -> dict[str, float]:
        """Return what the stages of a round took."""
        names = {"rows": ("rows", "checked"), "training": ("training",), "dev": ("dev",)}
        return {
            told: sum(self.stages.seconds(_name(number, part)) for part in parts)
            for told, parts in names.items()
        }

    # -- rows --------------------------------------------------------------------------------------

    def _gathered(self, number: int) -> tuple[Harvest, ...]:
        def make() -> Body:
            home, watcher = self.stages.home, self.watchers.answers
            gathering = Gathering(self.plan, self.settings, home, watcher)
            return {"harvests": [harvest_to_json(h) for h in gathering.harvests(number)]}

        told = f"round {number}: gathering rows"
        found = self.stages.once(_name(number, "rows"), make, told)
        return tuple(harvest_from_json(body) for body in found["harvests"])

    def _checked(self, number: int) -> Body:
        """Clean the rows of this and earlier rounds, and hold them against all cases that gate."""

        def make() -> Body:
            harvests = [h for at in range(1, number + 1) for h in self._gathered(at)]
            rows, cleaning, guard = checked_rows(self.plan, self.settings, harvests)
            body = harvest_to_json(Harvest("", len(rows), rows))
            return {"rows": body, "cleaning": cleaning, "guard": guard}

        told = f"round {number}: cleaning rows, guarding the cases"
        return self.stages.once(_name(number, "checked"), make, told)

    # -- training ----------------------------------------------------------------------------------

    def _trained(self, number: int, rows: Sequence[TrainingRow], guard: Body) -> Body:
        def make() -> Body:
            config = train_config(self.plan, self.settings, self.stages.home / _name(number, ""))
            repairs = [target.suite.name for target in self.plan.targets]
            notes = {"guard": guard, "loop": self.plan.id, "repairs": repairs}
            cache = self.settings.path(self.settings.store).parent
            made = train(config, rows, notes=notes, observer=self.watchers.training, cache=cache)
            return {
                "adapter": str(made.path),
                "step": made.step,
                "steps": made.steps,
                "losses": [list(pair) for pair in made.history.steps],
                "held_out": [list(pair) for pair in made.history.held_out],
                "manifest": dict(made.manifest),
                "settings": config.recipe,
            }

        told = f"round {number}: training on {len(rows)} rows"
        return self.stages.once(_name(number, "training"), make, told)

    # -- the dev side ------------------------------------------------------------------------------

    def _dev(self, number: int, adapter: str) -> tuple[DevReport, ...]:
        def make() -> Body:
            suites = [replace(t.suite, cases=t.split.dev) for t in self.plan.targets]
            new = replace(
                self.plan.before,
                name=self.plan.name,
                adapter=adapter,
                role=VariantRole.CANDIDATE,
            )
            engine = aside(self.settings, self.stages.home)
            report = run(engine, suites, Variants((new,)), observer=self.watchers.answers)
            if report.failure:
                raise MachineryError(Problem(f"the engine broke: {report.failure}"))
            after = {v.suite: (v.rate.passed, str(v.verdict or "pass")) for v in report.gate.suites}
            return {"after": after}

        found = self.stages.once(_name(number, "dev"), make, f"round {number}: the dev side")
        reports = []
        for target in self.plan.targets:
            passed, verdict = found["after"][target.suite.name]
            name, n = target.suite.name, len(target.split.dev)
            reports.append(DevReport(name, n, len(target.passed), passed, verdict == "pass"))
        return tuple(reports)


def checked_rows(
    plan: FixPlan, settings: Settings, harvests: Sequence[Harvest], *, must_teach: bool = True
) -> tuple[tuple[TrainingRow, ...], dict[str, Any], dict[str, Any]]:
    """Return the rows that may be trained on, with what cleaning and the guard found.

    Raise InputError where so much is dropped that the data are wrong, and where nothing is left
    that teaches.
    """
    rows = [row for harvest in harvests for row in harvest.rows]
    tokenizer = load_tokenizer(
        plan.before.model,
        trust_remote_code=settings.trust_remote_code,
        arguments=_template_args(plan),
    )
    cleaned = clean(
        rows,
        CleaningSettings(max_tokens=open_model(plan.before.model).context_length),
        count_tokens=lambda row: len(
            tokenizer.token_ids(row.messages, add_generation_prompt=False, tools=row.tools)
        ),
    )
    guarded = Guard(plan.suites).check(cleaned.rows)
    if must_teach and not any(not row.replay for row in guarded.rows):
        raise InputError(
            Problem(
                "no row is left to train on",
                found=", ".join(f"{h.source}: {h.kept} of {h.offered}" for h in harvests),
                hint="name pools, generators or a teacher under fix: (docs/repair.md)",
            )
        )
    return guarded.rows, cleaned.report.as_json(), guarded.report.as_json()


def train_config(plan: FixPlan, settings: Settings, home: Path) -> TrainConfig:
    """Return the trainer's settings: the suites' `train`, on the engine's device."""
    engine = {
        "device": settings.device,
        "dtype": settings.dtype,
        "trust_remote_code": settings.trust_remote_code,
    }
    fixed: dict[str, Any] = {"model": plan.before.model, "output": home / "adapter"}
    fixed |= {"gpus": plan.options.gpus} if plan.options.gpus else {}
    told = {"chat_template_args": _template_args(plan)}
    return TrainConfig.model_validate({**engine, **told, **plan.fix.train, **fixed})


def _template_args(plan: FixPlan) -> dict[str, Any]:
    """Return what the chat template is told where no suite says otherwise: so it is trained."""
    return {**plan.before.template_defaults, **plan.before.template_args}


def _name(number: int, part: str) -> str:
    return f"round-{number}/{part}" if part else f"round-{number}"
