"""The rows of a round, from every source that the failing suites name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from harness.common import TeacherSettings
from harness.config import Settings
from harness.evaluation import backend_of
from harness.results import Observer, ignore
from harness.suites import Case, Suite
from harness.training.repair.plan import FixPlan
from harness.training.sources import (
    BadCases,
    Harvest,
    find_teacher,
    paraphrases,
    pool_file,
    practice_cases,
    practise,
    read_bad_cases,
    read_pools,
    replay_from_model,
    replay_from_pools,
    replay_prompts,
    replay_rows,
    teach,
)

UNASKED = "would be asked"  # why a prompt gave no row where nothing is asked


@dataclass(frozen=True)
class Gathering:
    """What rows are made with: the plan, the settings, and the folder of the loop.

    Without `asks`, no model is asked: prompts for it are counted only.
    """

    plan: FixPlan
    settings: Settings
    home: Path
    observer: Observer = ignore
    asks: bool = True

    def harvests(self, number: int) -> tuple[Harvest, ...]:
        """Gather all of a round; another round draws other rows and other prompts."""
        teaching = [harvest for source in SOURCES for harvest in source(self, number)]
        count = sum(harvest.kept + harvest.left_out.get(UNASKED, 0) for harvest in teaching)
        return (*teaching, *self._replay(replay_rows(self.plan.fix.replay.share, count), number))

    def answered(
        self, suite: Suite, cases: Sequence[Case], teacher: TeacherSettings | None
    ) -> Iterator[Harvest]:
        """Yield rows of these prompts: answers that checks give away, then the teacher's."""
        if not cases:
            return
        # No weights are loaded: it counts tokens.
        with closing(backend_of(self.settings, [self.plan.before])) as backend:
            practice = practise(suite, cases, backend, self.plan.before)
        yield practice.answered
        if teacher is not None and practice.open and not self.asks:
            yield _unasked(f"{teacher.name} on prompts of {suite.name}", len(practice.open))
        elif teacher is not None and practice.open:
            asked = find_teacher(self.settings, teacher, self.plan.before, self.home)
            yield teach(asked, suite, practice.open, teacher, observer=self.observer)

    def bad_cases(self, file: Path) -> BadCases:
        """Return the bad cases of production, and the draft suite, which is written here."""
        target = self.plan.targets[0]
        draft = self.home / f"{target.suite.name}-bad-cases.yaml"
        share, category = target.fix.holdout, target.suite.category
        return read_bad_cases(self.settings.path(file), draft, category=category, holdout=share)

    def _replay(self, count: int, number: int) -> tuple[Harvest, ...]:
        if not count:
            return ()
        seed = f"{self.plan.seed}/{number}"
        files = [
            pool_file(self.settings, target.suite, name, replay=True)
            for target in self.plan.targets
            for name in target.fix.replay.pools
        ]
        if files:
            files = list({file.path: file for file in files}.values())
            return replay_from_pools(files, count=count, seed=seed)
        tag = f"{number}.{self.plan.seed[:4]}"
        prompts = replay_prompts(self.plan.others, seed=tag, modules=self.settings.modules)
        if not self.asks:
            return (_unasked("the model itself, to replay", sum(len(p.cases) for p in prompts)),)
        own = find_teacher(self.settings, TeacherSettings(), self.plan.before, self.home)
        return replay_from_model(own, prompts, count=count, seed=tag, observer=self.observer)


def _unasked(source: str, count: int) -> Harvest:
    return Harvest(source, count, (), {UNASKED: count})


def from_pools(gathering: Gathering, number: int) -> Iterator[Harvest]:
    """Yield rows of the files that the failing suites name."""
    for target in gathering.plan.targets:
        files = [pool_file(gathering.settings, target.suite, name) for name in target.fix.pools]
        seed = f"{gathering.plan.seed}/{number}"
        yield from read_pools(files, most=target.fix.rows, seed=seed)


def from_generators(gathering: Gathering, number: int) -> Iterator[Harvest]:
    """Yield rows of the suites' own generators, with seeds and rows that no case has."""
    tag = f"r{number}.{gathering.plan.seed[:4]}"
    for target in gathering.plan.targets:
        suite, fix, modules = target.suite, target.fix, gathering.settings.modules
        cases = practice_cases(suite, fix.generate, tag=tag, weak=target.weak, modules=modules)
        yield from gathering.answered(suite, cases, fix.teacher)


def from_production(gathering: Gathering, number: int) -> Iterator[Harvest]:
    """Yield rows of bad cases, in the first round: they come without a suite of their own."""
    options = gathering.plan.options
    if number != 1 or options.bad_cases is None:
        return
    found = gathering.bad_cases(options.bad_cases)
    cases = list(found.training)
    named = (target.fix.teacher for target in gathering.plan.targets if target.fix.teacher)
    teacher = next(named, TeacherSettings())
    if options.paraphrases and gathering.asks:
        plan, settings, count = gathering.plan, gathering.settings, options.paraphrases
        asked = find_teacher(settings, teacher, plan.before, gathering.home)
        cases += paraphrases(asked, found.suite, cases, count, observer=gathering.observer)
    yield from gathering.answered(found.suite, cases, teacher)


# Where rows that teach come from: a file each in `training/sources`, and a name here.
SOURCES: tuple[Callable[[Gathering, int], Iterator[Harvest]], ...] = (
    from_pools,
    from_generators,
    from_production,
)
