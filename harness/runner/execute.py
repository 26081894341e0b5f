"""From a plan to stored results: answers from the store, the missing ones from the engine.

Nothing is done twice and nothing is lost: the store is asked first, each answer is committed
before it is reported, and a trial is scored as soon as its last answer is there. After a kill at
any moment the same call goes on where it stopped. If the engine breaks, what was finished is kept
and scored, and the other trials end as errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from harness.backends.values import Backend, Completion, Request
from harness.canonical import JsonValue
from harness.errors import HarnessError, MachineryError
from harness.runner.chunks import chunks
from harness.runner.engine import Answered, Engine, Limits
from harness.runner.events import (
    Completed,
    Finished,
    Note,
    Observer,
    Planned,
    Reused,
    Scored,
    ignore,
)
from harness.runner.plan import Plan
from harness.runner.score import score_trial, unscored
from harness.runner.store import Entry, ResultRow, Store
from harness.runner.talk import Desk, Talk
from harness.runner.trial import Trial
from harness.runner.values import Outcome, Result

WINDOW_TRIALS = 4096  # asked for together: enough for any engine to batch well
WINDOW_CHARACTERS = 8_000_000  # of their prompts: about 2 M tokens, 80 MB of token ids
RESULTS_PER_COMMIT = 512


@dataclass(frozen=True, slots=True)
class Counts:
    """How many answers were made, how many were there already, and what broke, if anything.

    `broken` is set when the engine broke, hung or ran out of time: the run's exit code is then 3.
    """

    generated: int = 0
    cached: int = 0
    tokens: int = 0
    broken: MachineryError | None = None


def execute(
    plan: Plan,
    backend: Backend,
    store: Store,
    run_id: str,
    observer: Observer = ignore,
    limits: Limits | None = None,
) -> Counts:
    """Run a plan into the store, under a run that `store.start_run` has recorded.

    No engine starts when all answers are stored. Errors of the engine end up in `Counts.broken`;
    InputError (a model that is none) and errors of the store are raised. When this is interrupted,
    what has arrived is kept.
    """
    limits, damaged_before = limits or Limits(), store.damaged_rows
    run = _Run(plan, backend, store, run_id, observer, limits)
    observer(Planned(len(plan.trials), sum(len(trial.case.turns) for trial in plan.trials)))
    try:
        run.skip()
        for window in _windows(plan):
            run.answer(window)
    finally:
        run.stop()
    if damaged := store.damaged_rows - damaged_before:
        observer(Note(f"damaged answers in the store, generated again: {damaged}"))
    observer(Finished(run.generated, run.cached))
    return Counts(run.generated, run.cached, run.tokens, run.broken)


@dataclass
class _Run:
    """The state of one call of `execute`."""

    plan: Plan
    backend: Backend
    store: Store
    run_id: str
    observer: Observer
    limits: Limits
    generated: int = 0
    cached: int = 0
    tokens: int = 0
    broken: MachineryError | None = None

    def __post_init__(self) -> None:
        self.engine = Engine(self.backend, self.limits)
        self.in_hand: list[Answered] = []
        self.desk = Desk(self.plan, self.backend)

    def skip(self) -> None:
        """Results that are known without asking."""
        talks = [Talk(skip.trial, fault=skip.fault) for skip in self.plan.skipped]
        self._settle(talks)

    def answer(self, window: Sequence[Trial]) -> None:
        """All turns of some trials, one round after the other; then they have their results."""
        talks = [Talk(trial) for trial in window]
        while talks:
            self._round(talks)
            talks = [talk for talk in talks if not talk.ended]

    def stop(self) -> None:
        """Keep what has arrived. The store may be what broke: then that is what is reported."""
        with suppress(HarnessError):
            self._keep([*self.in_hand, *self.engine.stop()])

    def _round(self, talks: Sequence[Talk]) -> None:
        """One turn of each: from the store, else from the engine."""
        asked = [(talk, request) for talk in talks if (request := self.desk.request(talk))]
        stored = self.store.completions(request.key for _, request in asked)
        waiting: dict[str, list[Talk]] = {}
        requests: dict[str, Request] = {}
        for talk, request in asked:
            if request.key in stored:
                talk.hear(request.key, stored[request.key])
            else:
                waiting.setdefault(request.key, []).append(talk)
                requests.setdefault(request.key, request)
        # One prompt that two cases share is generated once.
        self._reuse(len(asked) - len(requests))
        self._settle(talks)
        self._fill(waiting, list(requests.values()))

    def _fill(self, waiting: dict[str, list[Talk]], requests: list[Request]) -> None:
        """Generate what is missing; who is still waiting then ends as an error."""
        for group in self._generate(requests) if requests else ():
            self._settle([talk for answer in self._keep(group) for talk in _tell(waiting, *answer)])
        reason = self.broken.problems[0].message if self.broken else "the engine gave no answer"
        left = [talk for talks in waiting.values() for talk in talks]
        for talk in left:
            talk.fault = (Outcome.ERROR, reason)
        self._settle(left)

    def _generate(self, requests: list[Request]) -> Iterator[list[Answered]]:
        """Answers in groups, as they arrive; nothing more once the engine has broken."""
        if self.broken is not None:
            return
        try:
            yield from self.engine.answers(requests)
        except MachineryError as error:
            self.broken = error
            self.observer(Note(str(error)))
            if rest := self.engine.stop():
                yield rest

    def _keep(self, group: list[Answered]) -> list[tuple[str, Completion]]:
        """Commit answers, then report them. An error is no answer: it is asked for again."""
        if not group:
            return []
        self.in_hand = group  # until it is committed: an interrupt may come in between
        answers = {request.key: completion for request, completion in group}
        entries = [
            Entry(request.key, completion, _origin(request))
            for request, completion in group
            if not completion.error and completion.finish_reason != "error"
        ]
        kept = self.store.put_many(entries)
        self.in_hand = []
        answers.update((entry.key, answer) for entry, answer in zip(entries, kept, strict=True))
        tokens = sum(completion.completion_tokens for completion in kept)
        self.generated += len(entries)
        self.tokens += tokens
        self.observer(Completed(len(answers), tokens))
        return list(answers.items())

    def _reuse(self, count: int) -> None:
        self.cached += count
        if count:
            self.observer(Reused(count))

    def _settle(self, talks: Iterable[Talk]) -> None:
        """Score the trials that have ended, and commit their results."""
        for some in chunks((talk for talk in talks if talk.ended), RESULTS_PER_COMMIT):
            rows = [
                ResultRow(talk.trial.position, self._result(talk), tuple(talk.keys))
                for talk in some
            ]
            self.store.put_results(self.run_id, rows)
            for row in rows:
                self.observer(_scored(row.result))

    def _result(self, talk: Talk) -> Result:
        signature = self.desk.signature(talk.trial)
        if talk.fault is not None:
            return unscored(talk.trial, talk.transcript, *talk.fault, signature=signature)
        return score_trial(
            talk.trial,
            talk.transcript,
            signature=signature,
            cached=not talk.generated,
            check_seconds=self.limits.check,
        )


def _tell(waiting: dict[str, list[Talk]], key: str, completion: Completion) -> list[Talk]:
    """Hand an answer to all who wait for it: the first one's was generated for it."""
    talks = waiting.pop(key, [])
    for place, talk in enumerate(talks):
        talk.hear(key, completion, generated=place == 0)
    return talks


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


def _origin(request: Request) -> dict[str, JsonValue]:
    """Where an answer came from, for people who look into the store."""
    variant = request.variant
    return {**asdict(request.address), "model": variant.model, "adapter": variant.adapter}


def _scored(result: Result) -> Scored:
    return Scored(result.suite, result.case, result.variant, result.repeat, result.outcome)
