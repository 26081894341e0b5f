"""A trial under way, and the desk that writes its next request."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.backends.values import Address, Backend, Completion, Prompt, Request
from harness.chat import Messages
from harness.runner.conversation import conversation, sampling_of
from harness.runner.keys import Identity, completion_key, identify, signature
from harness.runner.plan import Plan
from harness.runner.score import Transcript
from harness.runner.trial import Fault, Trial, misfit, no_room
from harness.runner.values import Outcome
from harness.sampling import Sampling
from harness.variants import Variant


@dataclass(slots=True)
class Talk:
    """One trial: what was said so far. `fault` ends it without a score."""

    trial: Trial
    fault: Fault | None = None
    messages: Messages = ()
    completions: list[Completion] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    generated: bool = False

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to ask."""
        return self.fault is not None or len(self.completions) == len(self.trial.case.turns)

    @property
    def transcript(self) -> Transcript:
        """What was said."""
        return Transcript(self.messages, tuple(self.completions))

    def hear(self, key: str, completion: Completion, *, generated: bool = False) -> None:
        """Take the answer to the last request; a broken one ends the talk."""
        if completion.error or completion.finish_reason == "error":
            said = completion.error or "the engine gave no reason"
            self.fault = (Outcome.ERROR, f"no answer: {said}")
            return
        self.completions.append(completion)
        self.keys.append(key)
        self.generated = self.generated or generated


class Desk:
    """Writes requests for talks. A variant's weights are hashed once, when it is first asked."""

    def __init__(self, plan: Plan, backend: Backend) -> None:
        self._plan = plan
        self._backend = backend
        self._identities: dict[str, Identity] = {}

    def request(self, talk: Talk) -> Request | None:
        """The next request of a talk; None where it does not fit, which ends the talk."""
        trial = talk.trial
        answers = [completion.text for completion in talk.completions]
        talk.messages = conversation(trial, answers, self._plan.haystacks)
        prompt = self._backend.prompt(talk.messages, trial.variant)
        sampling = sampling_of(trial)
        fault = self._misfit(trial, prompt, sampling, len(answers))
        if fault is not None:
            talk.fault = fault
            return None
        address = Address(trial.case.id, trial.variant.name, trial.repeat, len(answers))
        key = completion_key(self._identity(trial.variant), prompt, sampling, address)
        return Request(key, address, trial.variant, prompt, sampling, trial.case.time_limit)

    def signature(self, trial: Trial) -> str:
        """What the trial's result must share with another to be paired."""
        return signature(self._identity(trial.variant), trial.case.sampling)

    def _identity(self, variant: Variant) -> Identity:
        if variant.name not in self._identities:
            self._identities[variant.name] = identify(variant, self._backend)
        return self._identities[variant.name]

    def _misfit(self, trial: Trial, prompt: Prompt, sampling: Sampling, turn: int) -> Fault | None:
        room = self._backend.context_length
        if room is None or prompt.tokens + sampling.max_new_tokens <= room:
            return None
        return misfit(trial, no_room(prompt.tokens, sampling.max_new_tokens, room, turn))
