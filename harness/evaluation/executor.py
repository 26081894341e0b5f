"""From a plan to stored results: answers from the store, the missing ones from the engine.

Nothing is done twice and nothing is lost: the store is asked first, each answer is committed
before it is reported, and a trial is scored as soon as its last answer is there. After a kill at
any moment the same call goes on where it stopped. If the engine breaks, what was finished is kept
and scored, and the other trials end as errors. What checks ask of judges goes the same way, after
the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.backends import Backend
from harness.common import MachineryError
from harness.evaluation.completions import CompletionSource, Limits
from harness.evaluation.conversation import Conversation, Pending, RequestBuilder
from harness.evaluation.judges import expected_replies
from harness.evaluation.plan import Plan
from harness.evaluation.scoring import result_of, unscored
from harness.evaluation.scoring_pool import ScoringPool
from harness.evaluation.trial import Trial
from harness.results import Finished, Note, Observer, Outcome, Planned, Result, Scored, ignore
from harness.store import ResultRow, Store, chunks

# Trials asked for together, for each of the engines that answer beside each other: enough for any
# of them to batch well, and to wait seldom for the slowest at the end of a window.
WINDOW_TRIALS = 4096
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
        """Add both together; what broke is what broke last."""
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
    run = _Execution(plan, backend, store, run_id, observer, limits, take)
    turns = sum(len(trial.case.turns) for trial in plan.trials)
    observer(Planned(len(plan.trials), turns + expected_replies(plan.trials)))
    backend.expect(turns)
    try:
        run.settle(Conversation(skip.trial, fault=skip.fault) for skip in plan.skipped)
        for window in _windows(plan, backend):
            run.answer(window)
    finally:
        run.stop()
    if damaged := store.damaged_rows - damaged_before:
        observer(Note(f"damaged answers in the store, generated again: {damaged}"))
    counts = run.counts()
    observer(Finished(counts.generated, counts.cached))
    return counts


class _Execution:
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
        self._requests = RequestBuilder(plan, backend)
        self._scoring = ScoringPool(plan, limits.check)
        self._apart, self._model = backend.one_model_at_a_time, ""
        self._variants = CompletionSource(backend, store, observer, limits)
        self._judges = {
            name: CompletionSource(judge.backend, store, observer, limits)
            for name, judge in plan.judges.items()
        }

    def answer(self, window: Sequence[Trial]) -> None:
        """Take all turns of some trials, one round after the other, then what their checks ask.

        Where going back to a model would load it again, all rounds of one come before the next;
        those of the model that was asked last come first.
        """
        portions: dict[str, list[Trial]] = {}
        for trial in window:
            portions.setdefault(trial.variant.model if self._apart else "", []).append(trial)
        for model in sorted(portions, key=lambda model: model != self._model):
            self._model = model
            conversations = [self._requests.begin(trial) for trial in portions[model]]
            while conversations:
                if unanswered := [each for each in conversations if not each.answered]:
                    pending = [self._requests.pending(each) for each in unanswered]
                    self.settle(each for each in unanswered if each.fault)
                    self._obtain(self._variants, [each for each in pending if each])
                else:
                    self._ask_judges(conversations)
                conversations = [each for each in conversations if not each.ended]

    def stop(self) -> None:
        """Keep what has arrived, and end threads and processes."""
        for source in (self._variants, *self._judges.values()):
            source.stop()
        self._scoring.stop()

    def counts(self) -> Counts:
        """Return what was done, by the variants' engine and the judges' together."""
        sources = (self._variants, *self._judges.values())
        return Counts(
            generated=sum(source.generated for source in sources),
            cached=sum(source.cached for source in sources),
            tokens=sum(source.tokens for source in sources),
            broken=next((source.broken for source in sources if source.broken), None),
        )

    def _ask_judges(self, conversations: Sequence[Conversation]) -> None:
        """Take what the checks of answered conversations ask, one judge after the other."""
        asked: dict[str, list[Pending]] = {name: [] for name in self._judges}
        for conversation in conversations:
            for pending in self._requests.judge_requests(conversation):
                assert pending.question is not None
                asked[pending.question.backend].append(pending)
        self.settle(each for each in conversations if each.fault)
        for name, source in self._judges.items():
            self._obtain(source, [each for each in asked[name] if not each.conversation.fault])

    def _obtain(self, source: CompletionSource, asked: Sequence[Pending]) -> None:
        """Take answers from the store, else from the engine; without one, it is an error."""
        stored = source.stored([each.request for each in asked])
        there = [each for each in asked if each.request.key in stored]
        # One prompt that two cases share is generated once.
        missing: dict[str, list[Pending]] = {}
        for each in asked:
            if each.request.key not in stored:
                missing.setdefault(each.request.key, []).append(each)
        source.reuse(len(asked) - len(missing))
        # The engine is at work while others are scored.
        made = source.made([waiting[-1].request for waiting in missing.values()])
        for each in there:
            each.take(stored[each.request.key])
        self.settle(each.conversation for each in there)
        for group in made:
            told = []
            for key, completion in group:
                for place, each in enumerate(missing.pop(key, [])):
                    each.take(completion, generated=place == 0)  # it was generated for the first
                    told.append(each.conversation)
            self.settle(told)
        problem = source.broken.problems[0].message if source.broken else ""
        left = [each.conversation for waiting in missing.values() for each in waiting]
        for conversation in left:
            conversation.fault = (Outcome.ERROR, problem or "the engine gave no answer")
        self.settle(left)

    def settle(self, conversations: Iterable[Conversation]) -> None:
        """Score the conversations that have ended, and commit their results."""
        # Each once: it may have asked several questions.
        distinct = {each.trial.position: each for each in conversations}.values()
        ended = [each for each in distinct if self._is_over(each)]
        for some in chunks(zip(ended, self._results(ended), strict=True), RESULTS_PER_COMMIT):
            rows = [ResultRow(c.trial.position, result, tuple(c.keys)) for c, result in some]
            self._store.put_results(self._run_id, rows)
            for conversation, result in some:
                conversation.settled = True
                if self._take is not None:
                    self._take(conversation.trial.position, result)
                of = result.suite, result.case, result.variant, result.repeat
                self._observer(Scored(*of, result.outcome))

    def _is_over(self, conversation: Conversation) -> bool:
        """Return whether there is nothing left to ask, once it is known what the checks ask."""
        if conversation.settled:
            return False
        unknown = conversation.answered and conversation.questions is None
        if unknown and conversation.fault is None:
            conversation.questions = self._requests.questions(conversation)
        return conversation.ended

    def _results(self, conversations: Sequence[Conversation]) -> Iterator[Result]:
        judged = [(each.trial, each.transcript) for each in conversations if each.fault is None]
        scores = self._scoring.scores(judged)
        for each in conversations:
            signature = self._requests.signature(each.trial)
            if each.fault is not None:
                yield unscored(
                    each.trial,
                    each.transcript,
                    *each.fault,
                    signature=signature,
                    tags=each.tags,
                )
            else:
                cached, score = not each.generated, next(scores)
                yield result_of(
                    each.trial,
                    each.transcript,
                    score,
                    signature=signature,
                    cached=cached,
                    tags=each.tags,
                )


def _windows(plan: Plan, backend: Backend) -> Iterator[list[Trial]]:
    """Cut the trials into portions that fit in memory, however many there are.

    How many engines there are is known once the first window has been asked.
    """
    window: list[Trial] = []
    characters = 0
    for trial in plan.trials:
        window.append(trial)
        characters += plan.characters(trial)
        most = WINDOW_TRIALS * backend.engines, WINDOW_CHARACTERS * backend.engines
        if len(window) >= most[0] or characters > most[1]:
            yield window
            window, characters = [], 0
    if window:
        yield window
