"""The loop: a failing run in, an adapter in use or a reasoned refusal out.

Every stage is on the disk before the next begins, so that a loop that was killed at any moment goes
on when the same command is given again. The holdout is looked at once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.canonical import digest
from harness.errors import InputError, Problem
from harness.reports import check_writable
from harness.session import RunReport
from harness.settings import Settings
from harness.suites import Suite
from harness.training.repair.gathering import Gathering
from harness.training.repair.judging import Judgement, judge, judgement, reread
from harness.training.repair.plan import FixPlan, make_plan
from harness.training.repair.promotion import promote
from harness.training.repair.report_json import report_from_json, report_to_json
from harness.training.repair.rounds import Rounds, Watchers, checked_rows, train_config
from harness.training.repair.stages import Body, Stages
from harness.training.repair.values import (
    Cost,
    Decision,
    FixOptions,
    FixReport,
    RoundReport,
    SourceReport,
)
from harness.training.values import Row

FOLDER = "fix"  # beside the store


@dataclass(frozen=True)
class DryRun:
    """What a loop would do: the plan, the rows of the first round, and what would be dropped.

    What a teacher would be asked is counted and not asked.
    """

    plan: FixPlan
    sources: tuple[SourceReport, ...]
    rows: tuple[Row, ...]
    cleaning: Body
    guard: Body


def home_of(settings: Settings, plan: FixPlan) -> Path:
    """Where a loop keeps what it has finished."""
    return settings.path(settings.store).parent / FOLDER / plan.id


def fix(
    settings: Settings,
    options: FixOptions,
    *,
    say: Callable[[str], None] = lambda text: None,
    watchers: Watchers | None = None,
) -> FixReport | None:
    """Repair a run; None where nothing in it failed. The same call goes on after a kill.

    Raises InputError for a run, suites, rows or settings that are wrong, and MachineryError where
    the engine or the trainer breaks, where another process works on the same loop, and where
    another adapter was promoted in the meantime.
    """
    check_writable(settings.path(settings.report_dir))
    plan = make_plan(settings, options)
    if plan is None:
        return None
    stages = Stages(home_of(settings, plan), say)
    train_config(plan, settings, stages.home)
    with stages.alone():
        if stages.done("decision"):
            return report_from_json(stages.once("decision", dict), again=True)
        loop = _Loop(plan, settings, stages, watchers or Watchers())
        return loop.run()


def dry_run(settings: Settings, options: FixOptions) -> DryRun | None:
    """What `fix` would do, without asking or training a model; None where nothing failed."""
    plan = make_plan(settings, options)
    if plan is None:
        return None
    home = home_of(settings, plan)
    train_config(plan, settings, home)
    harvests = Gathering(plan, settings, home, asks=False).harvests(1)
    rows, cleaning, guard = checked_rows(plan, settings, harvests, must_teach=False)
    sources = tuple(
        SourceReport(h.source, h.offered, h.kept, any(r.replay for r in h.rows), h.left_out)
        for h in harvests
    )
    return DryRun(plan, sources, rows, cleaning, guard)


class _Loop:
    """One call of `fix` that has something to do."""

    def __init__(
        self, plan: FixPlan, settings: Settings, stages: Stages, watchers: Watchers
    ) -> None:
        self._plan, self._settings, self._stages = plan, settings, stages
        self._watchers = watchers
        self._rounds = Rounds(plan, settings, stages, watchers)

    def run(self) -> FixReport:
        """From the first unfinished stage to the decision."""
        started = self._stages.once("started", lambda: {"time": _now()})["time"]
        rounds = self._all_rounds()
        adapter = rounds[-1].adapter
        judged, report = self._judged(adapter)
        found = judgement(self._plan, report)
        reasons = (*unguarded(rounds[-1], self._plan.suites), *found.reasons)
        name = f"{self._plan.name}-{_weights(report, self._plan.name)}"
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
        made = self._report(started, rounds, found, reasons, judged["was"], name)
        self._stages.once("decision", lambda: report_to_json(made))
        return made

    def _all_rounds(self) -> tuple[RoundReport, ...]:
        """Rounds until the dev side reaches the bars of all repaired suites."""
        found: list[RoundReport] = []
        for number in range(1, self._plan.rounds + 1):
            found.append(self._rounds.one(number))
            if all(dev.reached for dev in found[-1].dev):
                break
        return tuple(found)

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
    ) -> FixReport:
        plan = self._plan
        return FixReport(
            loop=plan.id,
            started=started,
            failing_run=plan.run.id,
            judging_run=found.run.info.id,
            before=plan.before.name,
            repaired=tuple(target.suite.name for target in plan.targets),
            decision=Decision.REJECTED if reasons else Decision.PROMOTED,
            reasons=reasons,
            rounds=rounds,
            suites=found.suites,
            max_drop=plan.fix.max_drop,
            cost=self._cost(rounds, found.run),
            adapter=rounds[-1].adapter if reasons else str(plan.place.folder / name),
            was=was,
            link=str(plan.place.link),
            notes=tuple(_notes(plan)),
        )

    def _cost(self, rounds: tuple[RoundReport, ...], report: RunReport) -> Cost:
        seconds: dict[str, float] = {"failing run": self._plan.run.seconds}
        for made in rounds:
            for stage, spent in self._rounds.seconds(made.number).items():
                seconds[stage] = seconds.get(stage, 0.0) + spent
        seconds["judging"] = self._stages.seconds("judged")
        new = [result for result in report.results() if not result.cached]
        return Cost(
            seconds=seconds,
            generated=report.info.generated,
            answer_tokens=sum(result.completion_tokens for result in new),
            trained_tokens=sum(made.training.tokens for made in rounds),
        )


def unguarded(last: RoundReport, suites: tuple[Suite, ...]) -> Iterator[str]:
    """Without the guard's finding on today's cases nothing is promoted."""
    cases = sorted(case.hash for suite in suites for case in suite.cases)
    if last.guard.get("cases_hash") != digest(cases):
        yield "the contamination guard has not seen all of today's cases"


def _weights(report: RunReport, name: str) -> str:
    """Eight digits of the adapter's content."""
    found = next((v.adapter_hash for v in report.info.variants if v.name == name), "")
    if not found:
        raise InputError(Problem(f"run {report.info.id} has no adapter {name!r}"))
    return digest(found, 8)


def _notes(plan: FixPlan) -> Iterator[str]:
    for name in sorted(plan.open):
        yield f"{name} failed before and is not repaired here: its own bar did not count"
    if plan.before.adapter:
        yield (
            f"the new adapter is trained from the base: what {plan.before.name} had learned is "
            "kept only as far as rows teach it and suites show it"
        )
    if plan.fix.replay.share == 0:
        yield "replay is off: nothing was trained to be kept"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
