"""The rows of a round, from every source that the failing suites name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from harness.common import (
    BASE,
    SELF,
    FixSettings,
    InputError,
    Problem,
    TeacherSettings,
    Variant,
)
from harness.config import Settings
from harness.evaluation import backend_of
from harness.results import Observer, ignore
from harness.suites import Case, Suite
from harness.training.repair.plan import FixPlan, Target, noted
from harness.training.sources import (
    BadCases,
    Harvest,
    find_teacher,
    paired,
    paraphrases,
    pool_file,
    practice_cases,
    practise,
    read_bad_cases,
    read_pair_pools,
    read_pools,
    replay_from_model,
    replay_from_pools,
    replay_prompts,
    replay_rows,
    sampled_answers,
    teach,
)
from harness.training.values import LabelledAnswer

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
        problems: list[Problem] = []
        teaching = [harvest for source in SOURCES for harvest in source(self, number)]
        count = sum(harvest.kept + harvest.left_out.get(UNASKED, 0) for harvest in teaching)
        kept = replay_rows(self.plan.fix.replay.share, count)
        if not teaching and self.plan.method != "auto":  # no source is named at all
            for target in self.plan.targets:
                suite = target.suite
                problems.append(
                    Problem(
                        f"suite {suite.name!r}: nothing under fix: would teach anything",
                        suite.path,
                        suite.line,
                        expected="pools or generate, or --bad-cases",
                        hint="fix: {pools: [rows.jsonl]} is the least (docs/repair.md)",
                    )
                )
            # What would be replayed is looked for all the same.
            kept = 1 if self.plan.fix.replay.share else 0
        replay: tuple[Harvest, ...] = ()
        with noted(problems):
            replay = self._replay(kept, number)
        if problems:
            raise InputError(*problems)
        return (*teaching, *replay)

    def pairs(self, number: int, start: str) -> tuple[Harvest, ...]:
        """Gather pairs of answers for a round that goes on from the adapter `start`, if any.

        Prompts are those of the generators, of retired cases and of production. To each there are
        answers that the checks give away, and those of the model itself and of the teacher.
        """
        found: list[Harvest] = []
        is_first = number == self.plan.schedule.index("dpo") + 1  # of `auto`, sft comes before it
        for target in self.plan.targets:
            suite, settings = target.suite, target.fix.pairs
            files = [pool_file(self.settings, suite, name) for name in settings.pools]
            found += read_pair_pools(files, settings) if is_first else ()
            cases = self.practice(target, number)
            found += self._paired(suite, cases, (), target.fix, start)
        bad_cases = self.plan.options.bad_cases
        if is_first and bad_cases is not None:
            bad, fix = self.bad_cases(bad_cases), self.plan.targets[0].fix
            found += self._paired(bad.suite, bad.training, bad.answers, fix, start)
        return tuple(found)

    def practice(self, target: Target, number: int, tag: str = "r") -> tuple[Case, ...]:
        """Make prompts of a suite's own generators that no case has; other tags, other prompts."""
        return practice_cases(
            target.suite,
            target.fix.generate,
            tag=f"{tag}{number}.{self.plan.seed[:4]}",
            weak=target.weak,
            modules=self.settings.modules,
        )

    def policy(self, start: str) -> Variant:
        """Return the model that is trained, with the adapter that it has come to."""
        name = Path(start).parent.name if start else BASE
        return replace(self.plan.before, name=name, adapter=start or None)

    def _paired(
        self,
        suite: Suite,
        cases: Sequence[Case],
        known: Sequence[LabelledAnswer],
        fix: FixSettings,
        start: str,
    ) -> Iterator[Harvest]:
        """Yield pairs of answers to these prompts; the same prompts are asked of everyone."""
        if not cases:
            return
        with closing(backend_of(self.settings, [self.plan.before])) as backend:
            given = practise(suite, cases, backend, self.plan.before).answered.rows
        answers = [
            *known,
            *(
                LabelledAnswer(r.messages[:-1], r.messages[-1].content, True, r.source, r.group)
                for r in given
                if not r.tools
            ),
        ]
        source = f"answers to prompts of {suite.name}"
        if not self.asks:
            made = paired(source, answers, fix.pairs)
            yield replace(made, left_out={**made.left_out, UNASKED: len(cases)})
            return
        own = find_teacher(self.settings, TeacherSettings(), self.policy(start), self.home)
        asked = [own]
        if fix.teacher and fix.teacher.name != SELF:
            asked.append(find_teacher(self.settings, fix.teacher, self.plan.before, self.home))
        for teacher in asked:
            answers += sampled_answers(teacher, suite, cases, fix.pairs, observer=self.observer)
        yield paired(source, answers, fix.pairs)

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
    for target in gathering.plan.targets:
        cases = gathering.practice(target, number)
        yield from gathering.answered(target.suite, cases, target.fix.teacher)


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
