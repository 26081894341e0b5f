"""One round: gather rows, clean them, guard the cases, train, and look at the dev side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.backends.model_dir import open_model
from harness.errors import InputError, MachineryError, Problem
from harness.prompts import load_tokenizer
from harness.runner import Observer, ignore
from harness.session import run
from harness.settings import Settings
from harness.training.cleaning import CleaningSettings, clean
from harness.training.guard import Guard
from harness.training.repair.gathering import Gathering
from harness.training.repair.plan import FixPlan
from harness.training.repair.stages import Body, Stages
from harness.training.repair.values import (
    DevReport,
    RoundReport,
    SourceReport,
    TrainingReport,
)
from harness.training.sources import Harvest, aside, harvest_from_json, harvest_to_json
from harness.training.trainer import TrainConfig, TrainedAdapter, train
from harness.training.trainer.events import Observer as TrainObserver
from harness.training.values import Row
from harness.variants import VariantRole


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
        """Round `number`, counted from 1; earlier rounds are finished."""
        harvests = self._gathered(number)
        rows = self._rows(number)
        trained = self._trained(number, rows)
        dev = self._dev(number, trained["adapter"])
        checked = self._checked(number)
        return RoundReport(
            number=number,
            sources=tuple(map(_source, harvests)),
            teaching=sum(not row.replay for row in rows),
            replay=sum(row.replay for row in rows),
            cleaning=checked["cleaning"],
            guard=checked["guard"],
            training=_training(trained),
            dev=dev,
            adapter=trained["adapter"],
        )

    def seconds(self, number: int) -> dict[str, float]:
        """What the stages of a round took."""
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
        """The rows of this and earlier rounds, cleaned and held against all cases that gate."""

        def make() -> Body:
            harvests = [h for at in range(1, number + 1) for h in self._gathered(at)]
            rows, cleaning, guard = checked_rows(self.plan, self.settings, harvests)
            body = harvest_to_json(Harvest("", len(rows), rows))
            return {"rows": body, "cleaning": cleaning, "guard": guard}

        told = f"round {number}: cleaning rows, guarding the cases"
        return self.stages.once(_name(number, "checked"), make, told)

    def _rows(self, number: int) -> tuple[Row, ...]:
        return harvest_from_json(self._checked(number)["rows"]).rows

    # -- training ----------------------------------------------------------------------------------

    def _trained(self, number: int, rows: Sequence[Row]) -> Body:
        def make() -> Body:
            config = train_config(self.plan, self.settings, self.stages.home / _name(number, ""))
            guard = self._checked(number)["guard"]
            notes = {"guard": guard, "loop": self.plan.id, "repairs": _names(self.plan)}
            cache = self.settings.path(self.settings.store).parent
            made = train(config, rows, notes=notes, observer=self.watchers.training, cache=cache)
            return _described(made, config)

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
            report = run(engine, suites, [new], observer=self.watchers.answers)
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
) -> tuple[tuple[Row, ...], dict[str, Any], dict[str, Any]]:
    """The rows that may be trained on, with what cleaning and the guard found.

    Raises InputError where so much is dropped that the data are wrong, and where nothing is left
    that teaches.
    """
    rows = [row for harvest in harvests for row in harvest.rows]
    tokenizer = load_tokenizer(plan.before.model, trust_remote_code=settings.trust_remote_code)
    cleaned = clean(
        rows,
        CleaningSettings(max_tokens=open_model(plan.before.model).context_length),
        count_tokens=lambda m: len(tokenizer.token_ids(m, add_generation_prompt=False)),
    )
    guarded = Guard(plan.suites).check(cleaned.rows)
    if must_teach and not any(not row.replay for row in guarded.rows):
        raise InputError(
            Problem(
                "no row is left to train on",
                found=", ".join(f"{h.source}: {h.kept} of {h.offered}" for h in harvests),
                mend="name pools, generators or a teacher under fix: (docs/repair.md)",
            )
        )
    return guarded.rows, cleaned.report.as_json(), guarded.report.as_json()


def train_config(plan: FixPlan, settings: Settings, home: Path) -> TrainConfig:
    """The trainer's settings: the suites' `train`, on the engine's device."""
    engine = {
        "device": settings.device,
        "dtype": settings.dtype,
        "trust_remote_code": settings.trust_remote_code,
    }
    fixed = {"model": plan.before.model, "output": home / "adapter"}
    return TrainConfig.model_validate({**engine, **plan.fix.train, **fixed})


def _described(made: TrainedAdapter, config: TrainConfig) -> Body:
    return {
        "adapter": str(made.path),
        "step": made.step,
        "steps": made.steps,
        "losses": [list(pair) for pair in made.history.steps],
        "held_out": [list(pair) for pair in made.history.held_out],
        "manifest": dict(made.manifest),
        "settings": config.recipe,
    }


def _training(body: Mapping[str, Any]) -> TrainingReport:
    facts = body["manifest"]["run"]
    return TrainingReport(
        steps=body["steps"],
        seconds=float(facts["seconds"]),
        tokens=int(facts["tokens"]),
        losses=tuple((int(step), float(loss)) for step, loss in body["losses"]),
        held_out=tuple((int(step), float(loss)) for step, loss in body["held_out"]),
        settings=body["settings"],
    )


def _source(harvest: Harvest) -> SourceReport:
    replay = any(row.replay for row in harvest.rows)
    left_out = dict(harvest.left_out)
    return SourceReport(harvest.source, harvest.offered, harvest.kept, replay, left_out)


def _names(plan: FixPlan) -> list[str]:
    return [target.suite.name for target in plan.targets]


def _name(number: int, part: str) -> str:
    return f"round-{number}/{part}" if part else f"round-{number}"
