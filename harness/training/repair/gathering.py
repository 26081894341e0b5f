"""The rows of one round, from every source that the failing suites name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from harness.fix_settings import TeacherSettings
from harness.runner import Observer, ignore
from harness.session import engine_of
from harness.settings import Settings
from harness.suites import Case, Suite
from harness.training.repair.plan import FixPlan, Target
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
    """What rows are made with: the plan, the engine, and the folder of the loop.

    Without `asks`, no model is asked: prompts for it are counted only.
    """

    plan: FixPlan
    settings: Settings
    home: Path
    observer: Observer = ignore
    asks: bool = True

    def harvests(self, number: int) -> tuple[Harvest, ...]:
        """All that is gathered in a round; another round draws other rows and other prompts."""
        teaching = [found for target in self.plan.targets for found in self._of(target, number)]
        if number == 1 and self.plan.options.bad_cases is not None:
            teaching += self._of_bad_cases()
        count = sum(harvest.kept + harvest.left_out.get(UNASKED, 0) for harvest in teaching)
        return (*teaching, *self._replay(replay_rows(self.plan.fix.replay.share, count), number))

    # -- rows that teach ---------------------------------------------------------------------------

    def _of(self, target: Target, number: int) -> Iterator[Harvest]:
        fix, suite, seed = target.fix, target.suite, f"{self.plan.id}/{number}"
        files = [pool_file(self.settings, suite, name) for name in fix.pools]
        yield from read_pools(files, most=fix.rows, seed=seed)
        tag = f"r{number}.{self.plan.id[:4]}"
        modules = self.settings.modules
        cases = practice_cases(suite, fix.generate, tag=tag, weak=target.weak, modules=modules)
        yield from self._answered(suite, cases, fix.teacher)

    def _answered(
        self, suite: Suite, cases: Sequence[Case], teacher: TeacherSettings | None
    ) -> Iterator[Harvest]:
        """Rows of these prompts: answers that checks give away, then the teacher's."""
        if not cases:
            return
        # No weights are loaded: it counts tokens.
        with closing(engine_of(self.settings, [self.plan.before])) as backend:
            practice = practise(suite, cases, backend, self.plan.before)
        yield practice.answered
        if teacher is not None and practice.open and not self.asks:
            yield _unasked(f"{teacher.name} on prompts of {suite.name}", len(practice.open))
        elif teacher is not None and practice.open:
            asked = find_teacher(self.settings, teacher, self.plan.before, self.home)
            yield teach(asked, suite, practice.open, teacher, observer=self.observer)

    def _of_bad_cases(self) -> Iterator[Harvest]:
        found = self.bad_cases()
        cases = [*found.training, *self._reworded(found)]
        yield from self._answered(found.suite, cases, self._teacher())

    def bad_cases(self) -> BadCases:
        """The bad cases of production, and the draft suite, which is written here."""
        target, file = self.plan.targets[0], self.plan.options.bad_cases
        assert file is not None
        draft = self.home / f"{target.suite.name}-bad-cases.yaml"
        share = target.fix.holdout
        category = target.suite.category
        return read_bad_cases(self.settings.path(file), draft, category=category, holdout=share)

    def _reworded(self, found: BadCases) -> tuple[Case, ...]:
        count = self.plan.options.paraphrases
        if not count or not self.asks:
            return ()
        asked = find_teacher(self.settings, self._teacher(), self.plan.before, self.home)
        return paraphrases(asked, found.suite, found.training, count, observer=self.observer)

    def _teacher(self) -> TeacherSettings:
        """Bad cases come without a suite of their own: the first target's teacher answers."""
        named = (target.fix.teacher for target in self.plan.targets if target.fix.teacher)
        return next(named, TeacherSettings())

    # -- rows that keep ----------------------------------------------------------------------------

    def _replay(self, count: int, number: int) -> tuple[Harvest, ...]:
        if not count:
            return ()
        seed = f"{self.plan.id}/{number}"
        files = [
            pool_file(self.settings, target.suite, name, replay=True)
            for target in self.plan.targets
            for name in target.fix.replay.pools
        ]
        if files:
            files = list({file.path: file for file in files}.values())
            return replay_from_pools(files, count=count, seed=seed)
        tag = f"{number}.{self.plan.id[:4]}"
        prompts = replay_prompts(self.plan.others, seed=tag, modules=self.settings.modules)
        if not self.asks:
            return (_unasked("the model itself, to replay", sum(len(p.cases) for p in prompts)),)
        own = find_teacher(self.settings, TeacherSettings(), self.plan.before, self.home)
        return replay_from_model(own, prompts, count=count, seed=tag, observer=self.observer)


def _unasked(source: str, count: int) -> Harvest:
    return Harvest(source, count, (), {UNASKED: count})
