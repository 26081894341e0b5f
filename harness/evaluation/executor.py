"""From a plan to stored results: answers from the store, the missing ones from the engine.

Nothing is done twice and nothing is lost: the store is asked first, each answer is committed
before it is reported, and a trial is scored as soon as its last answer is there. The engine has its
next requests meanwhile: trials begin as others end, as many at once as fit in memory. After a kill
at any moment the same call goes on where it stopped. If the engine breaks, what was finished is
kept and scored, and the other trials end as errors. What checks ask of judges goes the same way,
when the engine has nothing to do.
"""

from __future__ import annotations

from collections import deque
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
from harness.results import Finished, Note, Observer, Outcome, Planned, Result, Scored, ignore
from harness.store import ResultRow, Store, chunks

# Trials under way, for each of the engines that answer beside each other: more begin when half of
# them have ended, so that any engine batches well.
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
        run.answer()
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
        self._plan, self._backend = plan, backend
        self._store, self._run_id, self._observer = store, run_id, observer
        self._take = take
        self._open: dict[int, Conversation] = {}  # begun and not settled, by their positions
        self._characters = 0  # of their prompts
        self._waiting: dict[str, list[Pending]] = {}  # of the source that is asked, by key
        self._requests = RequestBuilder(plan, backend)
        self._scoring = ScoringPool(plan, limits.check)
        self._apart, self._model = backend.one_model_at_a_time, ""
        self._variants = CompletionSource(backend, store, observer, limits)
        self._judges = {
            name: CompletionSource(judge.backend, store, observer, limits)
            for name, judge in plan.judges.items()
        }

    def answer(self) -> None:
        """Take all turns of the plan's trials, and what their checks ask.

        An engine that may do so works without a pause, while others are scored. Judges are asked
        when it has nothing to do: both would take each other's memory and time on one device.
        """
        for portion in self._portions():
            self._open |= {each.trial.position: each for each in portion}
            self._characters += sum(each.characters for each in portion)
            self._go_on(portion)
            while not self._has_room():
                self._work()
        while self._open or self._variants.is_at_work:
            self._work()

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

    def _portions(self) -> Iterator[list[Conversation]]:
        """Begin as many trials as there is room for, however many there are.

        Where going back to a model would load it again, all rounds of one come before the next;
        those of the model that was asked last come first. How many engines there are is known once
        one of them has answered.
        """
        trials = deque(self._plan.trials)
        while trials:
            portions: dict[str, list[Conversation]] = {}
            most = WINDOW_TRIALS * self._backend.engines - len(self._open)
            characters = WINDOW_CHARACTERS * self._backend.engines - self._characters
            while trials and most > 0 and characters >= 0:
                conversation = self._requests.begin(trials.popleft())
                model = conversation.trial.variant.model if self._apart else ""
                portions.setdefault(model, []).append(conversation)
                most, characters = most - 1, characters - conversation.characters
            for model in sorted(portions, key=lambda model: model != self._model):
                self._model = model
                yield portions[model]

    def _has_room(self) -> bool:
        """Return whether more trials may begin: half of the memory for them is free."""
        if self._apart:
            return not (self._open or self._variants.is_at_work)
        trials, characters = WINDOW_TRIALS // 2, WINDOW_CHARACTERS // 2
        engines = self._backend.engines
        return len(self._open) <= trials * engines and self._characters <= characters * engines

    def _work(self) -> None:
        """Go on with the trials that are open: take answers; when no more come, ask the judges."""
        if self._waiting or self._variants.is_at_work:
            self._hear(self._variants)
            return
        asked: dict[str, list[Pending]] = {name: [] for name in self._judges}
        conversations = list(self._open.values())
        for conversation in conversations:
            for pending in self._requests.judge_requests(conversation):
                assert pending.question is not None
                asked[pending.question.backend].append(pending)
        self.settle(each for each in conversations if each.fault)
        for name, source in self._judges.items():
            some = [each for each in asked[name] if not each.conversation.fault]
            self.settle(self._ask(source, some))
            while self._waiting or source.is_at_work:
                self._hear(source)

    def _go_on(self, conversations: Sequence[Conversation]) -> None:
        """Ask for the next turns of these, until the store has no more; then score what has ended.

        So the engine is at work while others are scored.
        """
        going = conversations
        while going := [each for each in going if each.fault is None and not each.answered]:
            pending = [self._requests.pending(each) for each in going]
            going = self._ask(self._variants, [each for each in pending if each])
        self.settle(conversations)

    def _ask(self, source: CompletionSource, asked: Sequence[Pending]) -> list[Conversation]:
        """Hand over what is not in the store; return those whose answers were there."""
        stored = source.stored([each.request for each in asked])
        missing, told = [], []
        for each in asked:
            # One prompt that two cases share is generated once.
            if each.request.key in self._waiting:
                self._waiting[each.request.key].append(each)
            elif each.request.key not in stored:
                self._waiting[each.request.key] = [each]
                missing.append(each.request)
            else:
                told.append(each)
        source.reuse(len(asked) - len(missing))
        source.ask(missing)
        for each in told:
            each.take(stored[each.request.key])
        return [each.conversation for each in told]

    def _hear(self, source: CompletionSource) -> None:
        """Wait for answers and go on with their trials; what gets none any more is an error."""
        told = []
        for key, completion in source.made():
            for place, each in enumerate(self._waiting.pop(key, [])):
                each.take(completion, generated=place == 0)  # it was generated for the first
                told.append(each.conversation)
        if not source.is_at_work:
            problem = source.broken.problems[0].message if source.broken else ""
            for each in (each for waiting in self._waiting.values() for each in waiting):
                each.conversation.fault = (Outcome.ERROR, problem or "the engine gave no answer")
                told.append(each.conversation)
            self._waiting.clear()
        self._go_on(told)

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
                if self._open.pop(conversation.trial.position, None):
                    self._characters -= conversation.characters
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
        said = [each.transcript for each in conversations]
        jobs = zip(conversations, said, strict=True)
        scores = self._scoring.scores([(c.trial, text) for c, text in jobs if c.fault is None])
        for each, transcript in zip(conversations, said, strict=True):
            signature = self._requests.signature(each.trial)
            if each.fault is not None:
                yield unscored(
                    each.trial,
                    transcript,
                    *each.fault,
                    signature=signature,
                    tags=each.tags,
                )
            else:
                cached, score = not each.generated, next(scores)
                yield result_of(
                    each.trial,
                    transcript,
                    score,
                    signature=signature,
                    cached=cached,
                    tags=each.tags,
                )
