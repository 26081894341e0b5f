"""A trial under way, and the desk that writes its next request."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.backends import Address, Backend, Completion, Prompt, Request
from harness.common import Messages, Sampling, Variant, digest
from harness.evaluation.judges import Bench, questions
from harness.evaluation.keys import SIGNATURE_DIGITS, Identity, completion_key, identify, signature
from harness.evaluation.plan import Plan
from harness.evaluation.scoring import CheckBrokeError, Transcript
from harness.evaluation.trial import (
    Fault,
    Trial,
    conversation,
    is_constrained,
    misfit,
    no_room,
    sampling_of,
    schema_of,
)
from harness.results import Outcome, Signature
from harness.scorers.reasoning import DEFAULT_TAGS
from harness.scorers.values import Question


@dataclass(slots=True)
class Talk:
    """One trial: what was said so far. `fault` ends it without a score.

    `questions` are what its checks ask of judges, known once it is answered; `replies` by
    `Question.key`.
    """

    trial: Trial
    fault: Fault | None = None
    messages: Messages = ()
    completions: list[Completion] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    generated: bool = False
    questions: tuple[Question, ...] | None = None
    replies: dict[str, str] = field(default_factory=dict)
    settled: bool = False

    @property
    def answered(self) -> bool:
        """Whether all of its answers are there."""
        return len(self.completions) == len(self.trial.case.turns)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to ask, neither the variant nor a judge."""
        if self.fault is not None:
            return True
        return self.questions is not None and len(self.replies) == len(self.questions)

    @property
    def transcript(self) -> Transcript:
        """What was said."""
        return Transcript(self.messages, tuple(self.completions), self.replies)

    def hear(self, key: str, completion: Completion, *, generated: bool = False) -> None:
        """Take the answer to the last request; a broken one ends the talk."""
        if completion.error or completion.finish_reason == "error":
            said = completion.error or "the engine gave no reason"
            self.fault = (Outcome.ERROR, f"no answer: {said}")
            return
        self.completions.append(completion)
        self.keys.append(key)
        self.generated = self.generated or generated

    def learn(self, question: Question, reply: Completion, key: str) -> None:
        """Take a judge's reply; one that broke or was cut off ends the talk."""
        if reply.error or reply.finish_reason == "error":
            said = reply.error or "the engine gave no reason"
            self.fault = (Outcome.ERROR, f"no reply of the judge: {said}")
        elif reply.finish_reason == "length":
            tokens = reply.completion_tokens
            self.fault = (Outcome.ERROR, f"the judge's reply was cut off after {tokens} tokens")
        else:
            self.replies[question.key] = reply.text
            self.keys.append(key)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a talk: its next turn, or a question of its checks to a judge."""

    talk: Talk
    request: Request
    question: Question | None = None

    def take(self, completion: Completion, *, generated: bool = False) -> None:
        """Hand the answer to the talk."""
        if self.question is None:
            self.talk.hear(self.request.key, completion, generated=generated)
        else:
            self.talk.learn(self.question, completion, self.request.key)


class Desk:
    """Writes requests for talks. A variant's weights are hashed once, when it is first asked."""

    def __init__(self, plan: Plan, backend: Backend) -> None:
        self._plan = plan
        self._backend = backend
        self._identities: dict[str, Identity] = {}
        self._bench = Bench(plan.judges)
        self._tags = plan.reasoning_tags

    def request(self, talk: Talk) -> Request | None:
        """The next request of a talk; None where it does not fit, which ends the talk."""
        trial = talk.trial
        answers = [completion.text for completion in talk.completions]
        talk.messages = conversation(trial, answers, self._plan.haystacks, self._tags)
        prompt = self._backend.prompt(talk.messages, trial.variant)
        sampling = sampling_of(trial)
        fault = self._misfit(trial, prompt, sampling, len(answers))
        if fault is not None:
            talk.fault = fault
            return None
        address = Address(trial.case.id, trial.variant.name, trial.repeat, len(answers))
        key = completion_key(self._identity(trial.variant), prompt, sampling, address)
        schema = schema_of(trial.case, len(answers)) if self._backend.constrains_json else None
        if schema is not None:
            key = digest([key, schema])
        limit = trial.case.time_limit
        return Request(key, address, trial.variant, prompt, sampling, limit, schema)

    def questions(self, talk: Talk) -> tuple[Question, ...]:
        """What the checks ask about the answers; a check that breaks ends the talk."""
        try:
            return questions(talk.trial.case, talk.transcript, self._tags)
        except CheckBrokeError as error:
            talk.fault = (Outcome.ERROR, str(error))
            return ()

    def judge_requests(self, talk: Talk) -> list[tuple[Question, Request]]:
        """The talk's questions as requests; one that cannot be asked ends the talk."""
        found = []
        for place, question in enumerate(talk.questions or ()):
            request = self._bench.request(talk.trial, question, place)
            if isinstance(request, str):
                talk.fault = (Outcome.ERROR, request)
                return []
            found.append((question, request))
        return found

    def signature(self, trial: Trial) -> Signature:
        """What the trial's result must share with another to be paired."""
        scoring = [self._bench.signature(trial.case)]
        if self._backend.constrains_json and is_constrained(trial.case):
            scoring.append("constrained")
        if self._tags != DEFAULT_TAGS:
            scoring.append(digest([list(self._tags)], SIGNATURE_DIGITS))
        return signature(self._identity(trial.variant), trial.case.sampling, *filter(None, scoring))

    def _identity(self, variant: Variant) -> Identity:
        if variant.name not in self._identities:
            self._identities[variant.name] = identify(variant, self._backend)
        return self._identities[variant.name]

    def _misfit(self, trial: Trial, prompt: Prompt, sampling: Sampling, turn: int) -> Fault | None:
        room = self._backend.context_length
        if room is None or prompt.tokens + sampling.max_new_tokens <= room:
            return None
        return misfit(trial, no_room(prompt.tokens, sampling.max_new_tokens, room, turn))
