"""One round: gather rows, clean them, guard the cases, train, and look at the dev side."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from harness.backends import open_model
from harness.common import (
    InputError,
    MachineryError,
    Message,
    Problem,
    VariantRole,
    alone,
    make_folder,
    whole_file,
)
from harness.config import Settings
from harness.evaluation import Variants, run
from harness.prompts import ChatTokenizer, load_tokenizer
from harness.results import Observer, ignore
from harness.training.cleaning import CleaningSettings, Reason, clean
from harness.training.contamination import Guard, GuardSettings
from harness.training.pairing import FoundPairs, demand_pairs
from harness.training.repair.gathering import Gathering
from harness.training.repair.plan import FixPlan
from harness.training.repair.selection import select_checkpoint, selection_suites
from harness.training.repair.values import DevReport, RoundReport, SourceReport, TrainingReport
from harness.training.sft import History, Lesson, TrainConfig, TrainedAdapter, checkpoints, train
from harness.training.sft import Observer as TrainObserver
from harness.training.sources import (
    Harvest,
    aside,
    harvest_from_json,
    harvest_to_json,
)
from harness.training.values import Pair, TrainingRow

Body = dict[str, Any]
SELECTED = 10  # checkpoints that suites choose among, where a suite does not say how many


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
        make_folder(path.parent)
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

    def one(self, number: int, start: str = "") -> RoundReport:
        """Do round `number`, counted from 1; earlier rounds are finished.

        Learning from pairs goes on from the adapter `start`, if there is one. Raise
        NothingToLearnError where there is nothing to learn from.
        """
        method = self.plan.schedule[number - 1]
        harvests = self._gathered(number, start)
        checked = self._checked(number, start)
        found = harvest_from_json(checked["rows"])
        rows: Sequence[Lesson] = found.pairs if method == "dpo" else found.rows
        trained = self._trained(number, rows, checked["guard"], start if method != "sft" else "")
        selection = self._selected(number, trained) if self.plan.fix.select == "suites" else {}
        dev = self.dev(number, trained["adapter"])
        manifest = trained["manifest"]
        facts = manifest["run"]
        return RoundReport(
            number=number,
            sources=tuple(
                SourceReport(
                    harvest.source,
                    harvest.offered,
                    harvest.kept,
                    any(row.replay for row in harvest.rows),
                    dict(harvest.left_out),
                )
                for harvest in harvests
            ),
            teaching=found.kept - sum(row.replay for row in found.rows),
            replay=sum(row.replay for row in found.rows),
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
            method=method,
            start=start if method != "sft" else "",
            lessons={
                **manifest["data"].get("pairs", {}),
                **manifest["metrics"].get("preferences", {}),
            },
            selection=selection,
        )

    def seconds(self, number: int) -> dict[str, float]:
        """Return what the stages of a round took."""
        names: dict[str, tuple[str, ...]] = {
            "rows": ("rows", "checked"),
            "training": ("training",),
            "dev": ("selected", "dev"),
        }
        folders = (self.stages.home / stage_name(number, "")).glob("update-*")
        for folder in sorted(folders):
            names["rows"] += (f"{folder.name}/answers",)
            names["training"] += (f"{folder.name}/training",)
        return {
            told: sum(self.stages.seconds(stage_name(number, part)) for part in parts)
            for told, parts in names.items()
        }

    # -- rows --------------------------------------------------------------------------------------

    def _gathered(self, number: int, start: str = "") -> tuple[Harvest, ...]:
        pairs = self.plan.schedule[number - 1] == "dpo"

        def make() -> Body:
            home, watcher = self.stages.home, self.watchers.answers
            gathering = Gathering(self.plan, self.settings, home, watcher)
            made = gathering.pairs(number, start) if pairs else gathering.harvests(number)
            return {"harvests": [harvest_to_json(harvest) for harvest in made]}

        told = f"round {number}: gathering {'pairs of answers' if pairs else 'rows'}"
        found = self.stages.once(stage_name(number, "rows"), make, told)
        return tuple(harvest_from_json(body) for body in found["harvests"])

    def _checked(self, number: int, start: str) -> Body:
        """Clean rows of this and earlier rounds, or this round's pairs; guard the cases that gate.

        Answers of earlier rounds are those of another model, so that their pairs are not taken.
        """
        schedule = self.plan.schedule

        def make() -> Body:
            if schedule[number - 1] == "dpo":
                harvests = list(self._gathered(number, start))
                pairs, cleaning, guard = checked_pairs(self.plan, self.settings, harvests)
                made = Harvest("", len(pairs), (), pairs=pairs)
            else:
                same = [at for at in range(1, number + 1) if schedule[at - 1] == "sft"]
                harvests = [harvest for at in same for harvest in self._gathered(at)]
                rows, cleaning, guard = checked_rows(self.plan, self.settings, harvests)
                made = Harvest("", len(rows), rows)
            return {"rows": harvest_to_json(made), "cleaning": cleaning, "guard": guard}

        told = f"round {number}: cleaning rows, guarding the cases"
        return self.stages.once(stage_name(number, "checked"), make, told)

    # -- training ----------------------------------------------------------------------------------

    def _trained(self, number: int, rows: Sequence[Lesson], guard: Body, start: str) -> Body:
        method = self.plan.schedule[number - 1]

        def make() -> Body:
            home = self.stages.home / stage_name(number, "")
            config = train_config(self.plan, self.settings, home, method, start)
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

        told = f"round {number}: training on {len(rows)} {'pairs' if method == 'dpo' else 'rows'}"
        return self.stages.once(stage_name(number, "training"), make, told)

    def _selected(self, number: int, trained: Body) -> Body:
        """Choose among the checkpoints by the dev side, and by as much of every other suite."""
        plan = self.plan

        def make() -> Body:
            path = Path(trained["adapter"])
            history = History((), tuple((step, loss) for step, loss in trained["held_out"]))
            adapter = TrainedAdapter(
                path, trained["step"], trained["steps"], history, tuple(checkpoints(path)), {}
            )
            return select_checkpoint(
                aside(self.settings, self.stages.home),
                plan.before,
                adapter,
                selection_suites(plan.suites, plan.fix.holdout),
                {target.suite.name for target in plan.targets},
                prefix=f"{plan.name}-",
                observer=self.watchers.answers,
            )

        told = f"round {number}: choosing among the checkpoints"
        return self.stages.once(stage_name(number, "selected"), make, told)

    # -- the dev side ------------------------------------------------------------------------------

    def dev(self, number: int, adapter: str) -> tuple[DevReport, ...]:
        """Return how many cases of the dev side an adapter passes."""

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

        found = self.stages.once(stage_name(number, "dev"), make, f"round {number}: the dev side")
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
    tokenizer = tokenizer_of(plan, settings)
    cleaned = clean(
        rows,
        CleaningSettings(max_tokens=open_model(plan.before.model).context_length),
        count_tokens=lambda row: len(
            tokenizer.token_ids(row.messages, add_generation_prompt=False, tools=row.tools)
        ),
    )
    guarded = guard_of(plan, settings).check(cleaned.rows)
    if must_teach and not any(not row.replay for row in guarded.rows):
        raise NothingToLearnError(
            Problem(
                "no row is left to train on",
                found=", ".join(f"{h.source}: {h.kept} of {h.offered}" for h in harvests),
                hint="name pools, generators or a teacher under fix: (docs/repair.md)",
            )
        )
    return guarded.rows, cleaned.report.as_json(), guarded.report.as_json()


def guard_of(plan: FixPlan, settings: Settings) -> Guard:
    """Return the guard of all suites; with the second one, where a model for it is configured."""
    model = settings.path(settings.guard_model) if settings.guard_model else None
    return Guard(plan.suites, GuardSettings(model=model))


def checked_pairs(
    plan: FixPlan, settings: Settings, harvests: Sequence[Harvest], *, must_teach: bool = True
) -> tuple[tuple[Pair, ...], dict[str, Any], dict[str, Any]]:
    """Return the pairs that may be trained on, with what cleaning and the guard found.

    The good answers must be fit to be learned; what is the same twice is the whole pair. The guard
    looks at both answers. Raises as `checked_rows` does.
    """
    if must_teach:
        try:
            demand_pairs([FoundPairs(harvest.pairs, harvest.left_out) for harvest in harvests])
        except InputError as error:
            raise NothingToLearnError(*error.problems) from None
    pairs = {id(pair): pair for harvest in harvests for pair in harvest.pairs}
    tokenizer = tokenizer_of(plan, settings)

    def count_tokens(row: TrainingRow) -> int:
        return len(tokenizer.token_ids(row.messages, add_generation_prompt=False))

    def as_rows(pair: Pair) -> tuple[TrainingRow, ...]:
        both = f"{pair.chosen}\n\n{pair.rejected}"
        return tuple(
            TrainingRow((*pair.prompt, Message("assistant", text)), pair.source, group=pair.group)
            for text in (pair.chosen, pair.rejected, both)
        )

    rows = {key: as_rows(pair) for key, pair in pairs.items()}
    most = open_model(plan.before.model).context_length
    twins: frozenset[Reason] = frozenset(("duplicate", "near_duplicate"))
    fit = clean(
        [chosen for chosen, _rejected, _both in rows.values()],
        CleaningSettings(max_tokens=most, off=twins),
        count_tokens=count_tokens,
    )
    kept = {id(row) for row in fit.rows}
    rows = {key: made for key, made in rows.items() if id(made[0]) in kept}
    single = clean(
        [both for _chosen, _rejected, both in rows.values()],
        CleaningSettings(off=frozenset(get_args(Reason)) - twins),
    )
    kept = {id(row) for row in single.rows}
    rows = {key: made for key, made in rows.items() if id(made[2]) in kept}
    guarded = guard_of(plan, settings).check([row for made in rows.values() for row in made[:2]])
    kept = {id(row) for row in guarded.rows}
    left = tuple(pairs[key] for key, made in rows.items() if {id(m) for m in made[:2]} <= kept)
    if must_teach and not left:
        raise NothingToLearnError(
            Problem(
                "no pair is left to train on",
                found=f"{len(pairs)} pairs, {len(rows)} of them clean, 0 without gating cases",
                hint="take pairs from elsewhere (docs/repair.md)",
            )
        )
    cleaning = replace(
        fit.report, kept=single.report.kept, dropped=(*fit.report.dropped, *single.report.dropped)
    )
    return left, cleaning.as_json(), guarded.report.as_json()


class NothingToLearnError(InputError):
    """A method has nothing to learn from; another one may have."""


def tokenizer_of(plan: FixPlan, settings: Settings) -> ChatTokenizer:
    """Return the tokenizer of the model under repair, as it is asked."""
    return load_tokenizer(
        plan.before.model,
        trust_remote_code=settings.trust_remote_code,
        arguments=_template_args(plan),
    )


def train_config(
    plan: FixPlan, settings: Settings, home: Path, method: str = "sft", start: str = ""
) -> TrainConfig:
    """Return the trainer's settings: the suites' `train`, on the engine's device."""
    engine = {
        "device": settings.device,
        "dtype": settings.dtype,
        "trust_remote_code": settings.trust_remote_code,
    }
    fixed: dict[str, Any] = {"model": plan.before.model, "output": home / "adapter"}
    asked = {name: getattr(plan.options, name) for name in ("gpus", "hosts", "main_address")}
    fixed |= {name: value for name, value in asked.items() if value}
    fixed |= {"method": method, "adapter": Path(start) if start else None}
    told: dict[str, Any] = {"chat_template_args": _template_args(plan)}
    told |= {"keep_checkpoints": SELECTED} if plan.fix.select == "suites" else {}
    config = TrainConfig.model_validate({**engine, **told, **plan.fix.train, **fixed})
    # What goes on from an adapter has the form in which that one was saved.
    return config.model_copy(update={"lora": config.lora.saved}) if start else config


def _template_args(plan: FixPlan) -> dict[str, Any]:
    """Return what the chat template is told where no suite says otherwise: so it is trained."""
    return {**plan.before.template_defaults, **plan.before.template_args}


def stage_name(number: int, part: str) -> str:
    """Return the file of a stage of a round, without its ending; without a part, the folder."""
    return f"round-{number}/{part}" if part else f"round-{number}"
