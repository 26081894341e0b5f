"""From a plan to stored results: answers from the store, the missing ones from the engine.

Nothing is done twice and nothing is lost: the store is asked first, each answer is committed
before it is reported, and a trial is scored as soon as its last answer is there. After a kill at
any moment the same call goes on where it stopped. If the engine breaks, what was finished is kept
and scored, and the other trials end as errors. What checks ask of judges goes the same way, after
the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from harness.backends import Backend, Completion, Request
from harness.common import HarnessError, JsonValue, MachineryError, flat_dict
from harness.evaluation.completions import Answered, Engine, Limits
from harness.evaluation.conversation import Asked, Desk, Talk
from harness.evaluation.judges import expected_replies
from harness.evaluation.plan import Plan
from harness.evaluation.scoring import ruled, unscored
from harness.evaluation.scoring_pool import Scoring
from harness.evaluation.trial import Trial
from harness.results import (
    Completed,
    Finished,
    Note,
    Observer,
    Outcome,
    Planned,
    Result,
    Reused,
    Scored,
    Waiting,
    ignore,
)
from harness.store import Entry, ResultRow, Store, chunks


class Supply:
    """Gives answers, and counts them. `broken` says what broke the engine, if anything did."""

    def __init__(self, backend: Backend, store: Store, observer: Observer, limits: Limits) -> None:
        self._backend = backend
        self._store = store
        self._observer = observer
        self._engine = Engine(backend, limits)
        self._in_hand: list[Answered] = []
        self.generated = 0
        self.cached = 0
        self.tokens = 0
        self.broken: MachineryError | None = None

    def stored(self, requests: Sequence[Request]) -> dict[str, Completion]:
        """The answers that are there already, by key."""
        return self._store.completions(request.key for request in requests)

    def reuse(self, count: int) -> None:
        """Count answers that nothing was generated for."""
        self.cached += count
        if count:
            self._observer(Reused(count))

    def made(self, requests: Sequence[Request]) -> Iterator[list[tuple[str, Completion]]]:
        """Generate, from now on; answers by key, in groups as they arrive, each on disk by then.

        Nothing more comes once the engine has broken.
        """
        if not requests or self.broken is not None:
            return iter(())
        if reason := self._backend.waiting(requests):
            self._observer(Waiting(reason))
        return map(self._keep, self._until_broken(self._engine.answers(requests)))

    def stop(self) -> None:
        """Keep what has arrived. The store may be what broke: then that is what is reported."""
        with suppress(HarnessError):
            self._keep([*self._in_hand, *self._engine.stop()])

    def _until_broken(self, groups: Iterator[list[Answered]]) -> Iterator[list[Answered]]:
        try:
            yield from groups
        except MachineryError as error:
            self.broken = error
            self._observer(Note(str(error)))
            if rest := self._engine.stop():
                yield rest

    def _keep(self, group: list[Answered]) -> list[tuple[str, Completion]]:
        """Commit answers, then report them. An error is no answer: it is asked for again."""
        if not group:
            return []
        self._in_hand = group  # until it is committed: an interrupt may come in between
        answers = {request.key: completion for request, completion in group}
        entries = [
            Entry(request.key, completion, _origin(request))
            for request, completion in group
            if not completion.error and completion.finish_reason != "error"
        ]
        kept = self._store.put_many(entries)
        self._in_hand = []
        answers.update((entry.key, answer) for entry, answer in zip(entries, kept, strict=True))
        tokens = sum(completion.completion_tokens for completion in kept)
        self.generated += len(entries)
        self.tokens += tokens
        self._observer(Completed(len(answers), tokens))
        return list(answers.items())


def _origin(request: Request) -> dict[str, JsonValue]:
    """Where an answer came from, for people who look into the store."""
    variant = request.variant
    return {**flat_dict(request.address), "model": variant.model, "adapter": variant.adapter}


WINDOW_TRIALS = 4096  # asked for together: enough for any engine to batch well
WINDOW_CHARACTERS = 8_000_000  # of their prompts: about 2 M tokens, 80 MB of token ids
RESULTS_PER_COMMIT = 512

Take = Callable[[int, Result], None]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many answers were made, how many were there already, and what broke, if anything.

    `broken` is set when the engine broke, hung or ran out of time: the run's exit code is then 3.
    """

    generated: int = 0
    cached: int = 0
    tokens: int = 0
    broken: MachineryError | None = None

    def __add__(self, other: Counts) -> Counts:
        """Both together; what broke is what broke last."""
        return Counts(
            self.generated + other.generated,
            self.cached + other.cached,
            self.tokens + other.tokens,
            other.broken,
        )


def execute(
    plan: Plan,
    backend: Backend,
    store: Store,
    run_id: str,
    observer: Observer = ignore,
    limits: Limits | None = None,
    *,
    take: Take | None = None,
) -> Counts:
    """Run a plan into the store, under a run that `store.start_run` has recorded.

    `take` is given each result once it is stored, with its position, in the order of arrival.
    No engine starts when all answers are stored. Errors of the engine end up in `Counts.broken`;
    InputError (a model that is none) and errors of the store are raised. When this is interrupted,
    what has arrived is kept.
    """
    limits, damaged_before = limits or Limits(), store.damaged_rows
    run = _Run(plan, backend, store, run_id, observer, limits, take)
    turns = sum(len(trial.case.turns) for trial in plan.trials)
    observer(Planned(len(plan.trials), turns + expected_replies(plan.trials)))
    backend.expect(turns)
    try:
        run.skip()
        for window in _windows(plan):
            run.answer(window)
    finally:
        run.stop()
    if damaged := store.damaged_rows - damaged_before:
        observer(Note(f"damaged answers in the store, generated again: {damaged}"))
    counts = run.counts()
    observer(Finished(counts.generated, counts.cached))
    return counts


class _Run:
    """The state of one call of `execute`."""

    def __init__(
        self,
        plan: Plan,
        backend: Backend,
        store: Store,
        run_id: str,
        observer: Observer,
        limits: Limits,
        take: Take | None,
    ) -> None:
        self._store, self._run_id, self._observer = store, run_id, observer
        self._take = take
        self._plan = plan
        self._desk = Desk(plan, backend)
        self._scoring = Scoring(plan, limits.check)
        self._apart, self._model = backend.one_model_at_a_time, ""
        self._variants = Supply(backend, store, observer, limits)
        self._judges = {
            name: Supply(judge.backend, store, observer, limits)
            for name, judge in plan.judges.items()
        }

    def skip(self) -> None:
        """Results that are known without asking."""
        self._settle([Talk(skip.trial, fault=skip.fault) for skip in self._plan.skipped])

    def answer(self, window: Sequence[Trial]) -> None:
        """All turns of some trials, one round after the other, then what their checks ask.

        Where going back to a model would load it again, all rounds of one come before the next.
        """
        for trials in self._portions(window):
            talks = [Talk(trial) for trial in trials]
            while talks:
                self._round(talks)
                talks = [talk for talk in talks if not talk.ended]

    def _portions(self, window: Sequence[Trial]) -> list[list[Trial]]:
        """The trials whose rounds go together; those of the model asked last come first."""
        if not self._apart:
            return [list(window)]
        portions: dict[str, list[Trial]] = {}
        for trial in window:
            portions.setdefault(trial.variant.model, []).append(trial)
        order = sorted(portions, key=lambda model: model != self._model)
        self._model = order[-1]
        return [portions[model] for model in order]

    def stop(self) -> None:
        """Keep what has arrived, and end threads and processes."""
        for supply in self._supplies():
            supply.stop()
        self._scoring.stop()

    def counts(self) -> Counts:
        """What was done, by the variants' engine and the judges' together."""
        supplies = self._supplies()
        return Counts(
            generated=sum(supply.generated for supply in supplies),
            cached=sum(supply.cached for supply in supplies),
            tokens=sum(supply.tokens for supply in supplies),
            broken=next((supply.broken for supply in supplies if supply.broken), None),
        )

    def _supplies(self) -> list[Supply]:
        return [self._variants, *self._judges.values()]

    def _round(self, talks: Sequence[Talk]) -> None:
        """One turn of each that is not fully answered; once all are, the judges' replies."""
        open_talks = [talk for talk in talks if not talk.answered]
        if not open_talks:
            self._judge(talks)
            return
        asked = []
        for talk in open_talks:
            if request := self._desk.request(talk):
                asked.append(Asked(talk, request))
        self._settle(talk for talk in open_talks if talk.fault)
        self._obtain(self._variants, asked)

    def _judge(self, talks: Sequence[Talk]) -> None:
        """What the checks of these talks ask, one judge after the other."""
        asked: dict[str, list[Asked]] = {name: [] for name in self._judges}
        for talk in talks:
            for question, request in self._desk.judge_requests(talk):
                asked[question.backend].append(Asked(talk, request, question))
        self._settle(talk for talk in talks if talk.fault)
        for name, supply in self._judges.items():
            self._obtain(supply, [one for one in asked[name] if one.talk.fault is None])

    def _obtain(self, supply: Supply, asked: Sequence[Asked]) -> None:
        """From the store, else from the engine; who gets no answer ends as an error."""
        stored = supply.stored([one.request for one in asked])
        missing = [one for one in asked if one.request.key not in stored]
        # One prompt that two cases share is generated once.
        requests = {one.request.key: one.request for one in missing}
        supply.reuse(len(asked) - len(requests))
        made = supply.made(list(requests.values()))  # the engine is at work while others are scored
        there = [one for one in asked if one.request.key in stored]
        for one in there:
            one.take(stored[one.request.key])
        self._settle(one.talk for one in there)
        waiting = _by_key(missing)
        for group in made:
            told = [one for key, answer in group for one in _tell(waiting.pop(key, []), answer)]
            self._settle(one.talk for one in told)
        self._give_up(supply, [one for some in waiting.values() for one in some])

    def _give_up(self, supply: Supply, left: Sequence[Asked]) -> None:
        problem = supply.broken.problems[0].message if supply.broken else ""
        for one in left:
            one.talk.fault = (Outcome.ERROR, problem or "the engine gave no answer")
        self._settle(one.talk for one in left)

    def _settle(self, talks: Iterable[Talk]) -> None:
        """Score the trials that have ended, and commit their results."""
        ended = [talk for talk in _once(talks) if self._is_over(talk)]
        for some in chunks(zip(ended, self._results(ended), strict=True), RESULTS_PER_COMMIT):
            rows = [ResultRow(t.trial.position, result, tuple(t.keys)) for t, result in some]
            self._store.put_results(self._run_id, rows)
            for talk, result in some:
                talk.settled = True
                if self._take is not None:
                    self._take(talk.trial.position, result)
                self._observer(_scored(result))

    def _is_over(self, talk: Talk) -> bool:
        """Whether there is nothing left to ask; finds out what the checks ask of judges."""
        if talk.settled:
            return False
        if talk.fault is None and talk.answered and talk.questions is None:
            talk.questions = self._desk.questions(talk)
        return talk.ended

    def _results(self, talks: Sequence[Talk]) -> Iterator[Result]:
        judged = [(talk.trial, talk.transcript) for talk in talks if talk.fault is None]
        rulings = self._scoring.rulings(judged)
        for talk in talks:
            trial, said = talk.trial, talk.transcript
            signature = self._desk.signature(trial)
            if talk.fault is not None:
                yield unscored(trial, said, *talk.fault, signature=signature)
            else:
                cached = not talk.generated
                yield ruled(trial, said, next(rulings), signature=signature, cached=cached)


def _by_key(asked: Iterable[Asked]) -> dict[str, list[Asked]]:
    found: dict[str, list[Asked]] = {}
    for one in asked:
        found.setdefault(one.request.key, []).append(one)
    return found


def _tell(waiting: list[Asked], completion: Completion) -> list[Asked]:
    """Hand an answer to all who wait for it: the first one's was generated for it."""
    for place, one in enumerate(waiting):
        one.take(completion, generated=place == 0)
    return waiting


def _once(talks: Iterable[Talk]) -> Iterator[Talk]:
    """Each talk once: it may have asked several questions."""
    return iter({talk.trial.position: talk for talk in talks}.values())


def _windows(plan: Plan) -> Iterator[list[Trial]]:
    """The trials in portions that fit in memory, however many there are."""
    window: list[Trial] = []
    characters = 0
    for trial in plan.trials:
        window.append(trial)
        characters += plan.characters(trial)
        if len(window) == WINDOW_TRIALS or characters > WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _scored(result: Result) -> Scored:
    return Scored(result.suite, result.case, result.variant, result.repeat, result.outcome)
