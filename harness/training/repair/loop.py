"""The loop: a failing run in, an adapter in use or a reasoned refusal out.

Every stage is on the disk before the next begins, so that a loop that was killed at any moment goes
on when the same command is given again. The holdout is looked at once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem, digest
from harness.config import Settings
from harness.evaluation import RunReport
from harness.reports import check_writable
from harness.suites import Suite
from harness.training.repair.blocks import unused_parts
from harness.training.repair.gathering import UNASKED, Gathering
from harness.training.repair.plan import FixPlan, make_plan, noted
from harness.training.repair.promotion import promote
from harness.training.repair.promotion_checks import Judgement, judge, judgement, reread
from harness.training.repair.readiness import check_ready
from harness.training.repair.rounds import (
    Body,
    NothingToLearnError,
    Rounds,
    Stages,
    Watchers,
    checked_pairs,
    checked_rows,
)
from harness.training.repair.updates import learn_from_rewards, reward_loop
from harness.training.repair.values import (
    Cost,
    DevReport,
    FixOptions,
    FixReport,
    RepairDecision,
    RoundReport,
    SourceReport,
    SuiteReport,
    TrainingReport,
)
from harness.training.sources import Harvest
from harness.training.values import Pair, TrainingRow

SCHEMA = 1


def report_to_json(report: FixReport) -> dict[str, Any]:
    """Return all fields by name, and what follows from them."""
    body = asdict(report)
    body.pop("again")
    cost = {**body["cost"], "total_seconds": round(report.cost.total, 3)}
    return {"schema": SCHEMA, **body, "decision": report.decision.value, "cost": cost}


def report_from_json(body: Mapping[str, Any], *, again: bool = False) -> FixReport:
    """Return the report that `report_to_json` made."""
    rounds = []
    for made in body["rounds"]:
        training = dict(made["training"])
        for name in ("losses", "held_out"):
            training[name] = tuple((int(step), float(loss)) for step, loss in training[name])
        inner = {
            "sources": tuple(SourceReport(**source) for source in made["sources"]),
            "training": TrainingReport(**training),
            "dev": tuple(DevReport(**dev) for dev in made["dev"]),
        }
        rounds.append(RoundReport(**{**made, **inner}))
    lists = ("reasons", "worse")
    suites = (SuiteReport(**{**s, **{n: tuple(s[n]) for n in lists}}) for s in body["suites"])
    cost = {key: value for key, value in body["cost"].items() if key != "total_seconds"}
    parts = {
        "decision": RepairDecision(body["decision"]),
        "repaired": tuple(body["repaired"]),
        "reasons": tuple(body["reasons"]),
        "notes": tuple(body["notes"]),
        "rounds": tuple(rounds),
        "suites": tuple(suites),
        "cost": Cost(**cost),
    }
    fields = {key: value for key, value in body.items() if key != "schema"}
    return FixReport(**{**fields, **parts, "again": again})


@dataclass(frozen=True)
class DryRun:
    """What a loop would do: the plan, the rows of the first round, and what would be dropped.

    What a teacher would be asked is counted and not asked.
    """

    plan: FixPlan
    sources: tuple[SourceReport, ...]
    rows: tuple[TrainingRow, ...]
    cleaning: Body
    guard: Body
    notes: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()


def fix(
    settings: Settings,
    options: FixOptions,
    *,
    say: Callable[[str], None] = lambda text: None,
    watchers: Watchers | None = None,
) -> FixReport | None:
    """Repair a run; None where nothing in it failed. The same call goes on after a kill.

    Raise InputError for a run, suites, rows or settings that are wrong, and MachineryError where
    the engine or the trainer breaks, where another process works on the same loop, and where
    another adapter was promoted in the meantime.
    """
    check_writable(settings.path(settings.report_dir))
    problems: list[Problem] = []
    plan = make_plan(settings, options, problems)
    if plan is None:
        return None
    stages = Stages(plan.home, say)
    with stages.alone():
        if stages.done("decision"):
            return report_from_json(stages.once("decision", dict), again=True)
        check_ready(plan, settings, problems)
        if not stages.done("round-1/rows"):
            with noted(problems):
                _unasked(plan, settings)
        if problems:
            raise InputError(*problems)
        for note in notes_of(plan):
            say(f"note: {note}")
        loop = _Loop(plan, settings, stages, watchers or Watchers())
        return loop.run()


def dry_run(settings: Settings, options: FixOptions) -> DryRun | None:
    """Return what `fix` would do, without asking or training a model; None where nothing failed.

    Of `auto`, it is what the first method would do. Raises what `fix` raises before its first
    stage, and what is wrong with the rows: all that stands in the way, at once.
    """
    check_writable(settings.path(settings.report_dir))
    problems: list[Problem] = []
    plan = make_plan(settings, options, problems)
    if plan is None:
        return None
    check_ready(plan, settings, problems)
    harvests: tuple[Harvest, ...] = ()
    rows: tuple[TrainingRow, ...] = ()
    pairs: tuple[Pair, ...] = ()
    cleaning: Body = {}
    guard: Body = {}
    with noted(problems):
        harvests = _unasked(plan, settings)
        asked = any(UNASKED in harvest.left_out for harvest in harvests)
        if plan.schedule[0] == "dpo":
            pairs, cleaning, guard = checked_pairs(plan, settings, harvests, must_teach=not asked)
        else:
            rows, cleaning, guard = checked_rows(plan, settings, harvests, must_teach=not asked)
    if problems:
        raise InputError(*problems)
    sources = tuple(
        SourceReport(h.source, h.offered, h.kept, any(r.replay for r in h.rows), h.left_out)
        for h in harvests
    )
    return DryRun(plan, sources, rows, cleaning, guard, tuple(notes_of(plan)), pairs)


def _unasked(plan: FixPlan, settings: Settings) -> tuple[Harvest, ...]:
    """Gather for the first round without asking a model; raise InputError for all sources."""
    gathering = Gathering(plan, settings, plan.home, asks=False)
    if plan.schedule[0] == "dpo":
        return gathering.pairs(1, "")
    if plan.schedule[0] == "grpo":
        loop = reward_loop(Rounds(plan, settings, Stages(plan.home, lambda text: None)), 1)
        return tuple(
            Harvest(f"prompts of {name}", len(cases), (), {UNASKED: len(cases)})
            for name, cases in loop.trained.items()
        )
    return gathering.harvests(1)


class _Loop:
    """One call of `fix` that has something to do."""

    def __init__(
        self, plan: FixPlan, settings: Settings, stages: Stages, watchers: Watchers
    ) -> None:
        self._plan, self._settings, self._stages = plan, settings, stages
        self._watchers = watchers
        self._rounds = Rounds(plan, settings, stages, watchers)

    def run(self) -> FixReport:
        """Go from the first unfinished stage to the decision."""
        begun = {"time": datetime.now(UTC).isoformat(timespec="seconds")}
        started = self._stages.once("started", lambda: begun)["time"]
        rounds: list[RoundReport] = []
        skipped: dict[str, NothingToLearnError] = {}
        for number, method in enumerate(self._plan.schedule, start=1):
            start = best_of(rounds).adapter if rounds else ""
            try:
                one = learn_from_rewards if method == "grpo" else Rounds.one
                rounds.append(one(self._rounds, number, start))
            except NothingToLearnError as error:
                if self._plan.method != "auto":
                    raise
                skipped[method] = error
                self._stages.say(f"round {number}: {method} is left out: {error.problems[0]}")
                continue
            if all(dev.reached for dev in rounds[-1].dev):  # the bars of all repaired suites
                break
        if not rounds:
            raise InputError(*(p for error in skipped.values() for p in error.problems))
        chosen = best_of(rounds)
        adapter = chosen.adapter
        judged, report = self._judged(adapter)
        found = judgement(self._plan, report)
        stopped = [chosen.stopped] if chosen.stopped else []
        reasons = (*stopped, *unguarded(chosen, self._plan.suites), *found.reasons)
        mine = (v.adapter_hash for v in report.info.variants if v.name == self._plan.name)
        weights = next(mine, "")
        if not weights:
            found_no = f"run {report.info.id} has no adapter {self._plan.name!r}"
            raise InputError(Problem(found_no))
        name = f"{self._plan.name}-{digest(weights, 8)}"
        if not reasons:
            self._stages.say(f"promoting {name}")
            promote(
                self._plan.place,
                Path(adapter),
                name,
                expected=judged["was"],
                loop=self._plan.id,
                run=report.info.id,
            )
        notes = tuple(
            f"{method} was left out: {error.problems[0].message}"
            for method, error in skipped.items()
        )
        made = self._report(started, tuple(rounds), found, reasons, judged["was"], name, notes)
        self._stages.once("decision", lambda: report_to_json(made))
        return made

    def _judged(self, adapter: str) -> tuple[Body, RunReport]:
        made: list[RunReport] = []

        def make() -> Body:
            report = judge(self._plan, self._settings, adapter, self._watchers.answers)
            made.append(report)
            return {"run": report.info.id, "was": self._plan.was}

        told = "judging: holdout and all other suites, in one run"
        body = self._stages.once("judged", make, told)
        return body, made[0] if made else reread(self._settings, body["run"])

    def _report(
        self,
        started: str,
        rounds: tuple[RoundReport, ...],
        found: Judgement,
        reasons: tuple[str, ...],
        was: str,
        name: str,
        notes: tuple[str, ...],
    ) -> FixReport:
        plan = self._plan
        seconds: dict[str, float] = {"failing run": plan.run.seconds}
        for made in rounds:
            for stage, spent in self._rounds.seconds(made.number).items():
                seconds[stage] = seconds.get(stage, 0.0) + spent
        seconds["judging"] = self._stages.seconds("judged")
        new = [result for result in found.run.results() if not result.cached]
        cost = Cost(
            seconds=seconds,
            generated=found.run.info.generated,
            answer_tokens=sum(result.completion_tokens for result in new),
            trained_tokens=sum(made.training.tokens for made in rounds),
        )
        return FixReport(
            loop=plan.id,
            started=started,
            failing_run=plan.run.id,
            judging_run=found.run.info.id,
            before=plan.before.name,
            repaired=tuple(target.suite.name for target in plan.targets),
            decision=RepairDecision.REJECTED if reasons else RepairDecision.PROMOTED,
            reasons=reasons,
            rounds=rounds,
            suites=found.suites,
            max_drop=plan.fix.max_drop,
            cost=cost,
            adapter=best_of(rounds).adapter if reasons else str(plan.place.folder / name),
            was=was,
            link=str(plan.place.link),
            notes=(*notes_of(plan), *notes),
        )


def best_of(rounds: Sequence[RoundReport]) -> RoundReport:
    """Return the round whose adapter goes on: the one that passes most cases of the dev side.

    Of several that pass as many, it is the last. One that a watch stopped is taken where there is
    no other, and then it is not put in use.
    """
    return max(
        reversed(rounds),
        key=lambda made: (not made.stopped, sum(dev.after for dev in made.dev)),
    )


def unguarded(last: RoundReport, suites: tuple[Suite, ...]) -> Iterator[str]:
    """Say if the guard has not seen all of today's cases: nothing is promoted then."""
    cases = sorted(case.hash for suite in suites for case in suite.cases)
    if last.guard.get("cases_hash") != digest(cases):
        yield "the contamination guard has not seen all of today's cases"


def notes_of(plan: FixPlan) -> Iterator[str]:
    """Yield what a reader should know of a loop, before it begins and when it has ended."""
    said = f"the new adapter is trained from {plan.before.model} itself"
    known = {plan.in_use: plan.was, plan.before.adapter: plan.before.name}
    learned = {Path(path).resolve(): name for path, name in known.items() if path}
    names = " and ".join(learned.values())
    kept = f", not from {names}: what was learned there is kept only as far as rows teach it"
    yield f"{said}{kept} and suites show it" if learned else said
    if plan.unseen:
        names = ", ".join(sorted(plan.unseen))
        yield f"configured, and not in the run: {names}; judged too, their own bars do not count"
    if not plan.others:
        yield "there is no other suite: whether anything else is lost is not looked at"
    for suite in plan.others:
        if suite.name in plan.open - plan.unseen:
            why = "--suite leaves it out"
            if suite.fix is None:
                why = f"add a section fix: to {suite.path} (docs/repair.md)"
            yield f"{suite.name} failed too and is not repaired, its own bar does not count: {why}"
    for target in plan.targets:
        yield from unused_parts(target.suite, plan.schedule)
    if plan.fix.replay.share == 0:
        yield "replay is off: nothing is trained to be kept"
