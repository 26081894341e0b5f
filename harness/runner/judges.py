"""What checks ask other models, as requests like any others: keyed, stored and counted.

A reply is kept as it was said and read by the check each time it scores. One that cannot be read
makes the case an error each time, and is not asked for again: at temperature 0 the same question
has the same reply. Another judge, rubric, seed or prompt is another question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from harness.backends.values import Address, Backend, Request
from harness.canonical import digest
from harness.runner.keys import SIGNATURE_DIGITS, Identity, completion_key, identify
from harness.runner.score import CheckBrokeError, Transcript, exchanges
from harness.runner.trial import Trial
from harness.sampling import Sampling
from harness.scorers import Answer, Context
from harness.scorers.reasoning import DEFAULT_TAGS, Tag
from harness.scorers.values import Question
from harness.suites.values import Case
from harness.variants import Variant


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that checks may ask: its engine, which variant of it, and how it is sampled."""

    backend: Backend
    variant: Variant
    sampling: Sampling


Judges = Mapping[str, Judge]  # by the name that checks ask for; "" is the default one


def asked_of(case: Case) -> tuple[Question, ...]:
    """What the checks of a case would ask about some answer, to know whom they ask."""
    return tuple(_sample_questions(case))


def _sample_questions(case: Case) -> Iterator[Question]:
    for turn in case.turns:
        for check in (check for check in turn.checks if check.scorer.asks):
            # A user's own check may ask only about some answers, and break on a sample.
            with suppress(Exception):
                yield from check.questions(Answer("?"), Context())


def questions(
    case: Case, transcript: Transcript, tags: Sequence[Tag] = DEFAULT_TAGS
) -> tuple[Question, ...]:
    """What the checks ask about these answers, each question once.

    Nothing is asked about an empty answer. Raises CheckBrokeError.
    """
    found: dict[str, Question] = {}
    if not any(check.scorer.asks for turn in case.turns for check in turn.checks):
        return ()
    for exchange in exchanges(case, transcript, tags):
        for check in () if exchange.empty else case.turns[exchange.turn].checks:
            try:
                asked = check.questions(exchange.answer, exchange.context)
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                raise CheckBrokeError(f"check {check.name!r} broke: {said}") from error
            found.update((question.key, question) for question in asked)
    return tuple(found.values())


class Bench:
    """Writes the requests to judges. Each one's weights are hashed once, when it is first asked."""

    def __init__(self, judges: Judges) -> None:
        self._judges = judges
        self._identities: dict[str, Identity] = {}
        self._signatures: dict[tuple[str, ...], str] = {}

    def request(self, trial: Trial, question: Question, place: int) -> Request | str:
        """The request of a trial's question number `place`, or why it cannot be asked.

        Recorded replies are found by the case, the variant that is judged, the repeat, and the
        number of the question as the turn.
        """
        judge = self._judges.get(question.backend)
        if judge is None:
            return (
                f"no judge is configured{f' as {question.backend!r}' if question.backend else ''}"
            )
        prompt = judge.backend.prompt(question.messages, judge.variant)
        room, wanted = judge.backend.context_length, judge.sampling.max_new_tokens
        if room is not None and prompt.tokens + wanted > room:
            sizes = f"{prompt.tokens} tokens of prompt + {wanted} for the reply > {room}"
            return f"the question does not fit the judge's context: {sizes}"
        address = Address(trial.case.id, trial.variant.name, trial.repeat, place)
        identity = self._identity(question.backend)
        # The same answer twice is one question, unless replies are found by their address.
        shared = address if identity.addressed else replace(address, repeat=0)
        key = completion_key(identity, prompt, judge.sampling, shared)
        return Request(key, address, judge.variant, prompt, judge.sampling)

    def signature(self, case: Case) -> str:
        """What results must share that these judges scored: models, sampling and the questions."""
        questions = asked_of(case)
        keys = tuple(question.key for question in questions)
        if keys not in self._signatures:
            names = sorted({q.backend for q in questions if q.backend in self._judges})
            whole = [[name, self.describe(name)] for name in names]
            self._signatures[keys] = digest([whole, list(keys)], SIGNATURE_DIGITS) if keys else ""
        return self._signatures[keys]

    def describe(self, name: str) -> str:
        """Model, weights and sampling of a judge: its model and a digest of all of it."""
        judge = self._judges[name]
        sampling = judge.sampling.model_dump(mode="json")
        whole = digest([self._identity(name).digest, sampling], SIGNATURE_DIGITS)
        return f"{judge.variant.model}@{whole}"

    def _identity(self, name: str) -> Identity:
        if name not in self._identities:
            judge = self._judges[name]
            self._identities[name] = identify(judge.variant, judge.backend)
        return self._identities[name]


def describe_judges(judges: Judges) -> dict[str, str]:
    """Each judge by name: its model and a digest of weights, environment and sampling."""
    bench = Bench(judges)
    return {name or "default": bench.describe(name) for name in sorted(judges)}


def expected_replies(trials: Sequence[Trial]) -> int:
    """How many replies these trials need, about."""
    counts: dict[int, int] = {}  # by the case itself: variants and repeats share it
    for trial in trials:
        if id(trial.case) not in counts:
            counts[id(trial.case)] = len(asked_of(trial.case))
    return sum(counts[id(trial.case)] for trial in trials)
