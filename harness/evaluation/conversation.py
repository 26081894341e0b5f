"""A trial under way, and who writes its next request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.backends import Address, Backend, Completion, Request
from harness.common import Messages, Variant, canonical_json, digest
from harness.evaluation.judges import JudgeRequests, asks, questions
from harness.evaluation.keys import SIGNATURE_DIGITS, Identity, completion_key, identify
from harness.evaluation.keys import signature as signature_of
from harness.evaluation.plan import Plan
from harness.evaluation.reasoning import ReasoningForm
from harness.evaluation.rendering import prompt_of, rendering_of
from harness.evaluation.scoring import CheckBrokeError, Transcript
from harness.evaluation.steps import Step, next_place, steps_of
from harness.evaluation.trial import (
    Fault,
    Trial,
    is_constrained,
    messages_after,
    misfit,
    no_room,
    sampling_of,
    schema_of,
)
from harness.results import Outcome, Signature
from harness.scorers import DEFAULT_TAGS, Question, Tag, opened_by, split_reasoning

TokenCount = Callable[[str, Variant], int | None]


@dataclass(slots=True)
class Conversation:
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
    reasoning: ReasoningForm = field(default_factory=ReasoningForm)
    family: str = ""
    recorded: bool = False
    characters: int = 0  # of its prompts, about

    def add(self, completion: Completion, request: Request, count: TokenCount) -> None:
        """Take the next answer: with what the prompt opened of it, its reasoning counted.

        An answer that is decoded under a schema from its first token on has no reasoning.
        """
        turn = self.trial.case.turns[request.address.turn]
        if turn.prefix and request.address.step == 0 and not self.recorded:
            completion = replace(completion, text=turn.prefix + completion.text)
        opened = opened_by(request.prompt.ending, self.reasoning.tags)
        opened = opened if request.json_schema is None else ""
        again = completion.text.lstrip().startswith(opened.strip())  # some models repeat it
        if opened and not again and not completion.reasoning:
            completion = replace(completion, text=opened + completion.text)
        thought = completion.reasoning
        if not thought:
            thought = split_reasoning(completion.text, self.reasoning.tags).reasoning
        if thought and completion.reasoning_tokens is None:
            tokens = count(thought, self.trial.variant)
            if tokens is not None:
                tokens = min(tokens, completion.completion_tokens)
                completion = replace(completion, reasoning_tokens=tokens)
        self.completions.append(completion)
        self.keys.append(request.key)

    @property
    def tags(self) -> Sequence[Tag]:
        """Return the marks of reasoning that are taken out of its answers."""
        return self.reasoning.tags

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return its answers, each with its place."""
        return tuple(steps_of(self.trial.case, self.completions, self.tags, self.family))

    @property
    def answered(self) -> bool:
        """Return whether all of its answers are there."""
        case = self.trial.case
        if not case.tools:
            return len(self.completions) == len(case.turns)
        return next_place(self.steps)[0] == len(case.turns)

    @property
    def ended(self) -> bool:
        """Return whether there is nothing left to ask, neither the variant nor a judge."""
        if self.fault is not None:
            return True
        return self.questions is not None and len(self.replies) == len(self.questions)

    @property
    def transcript(self) -> Transcript:
        """Return what was said."""
        completions, family = tuple(self.completions), self.family
        return Transcript(self.messages, completions, self.replies, family, self.steps)


@dataclass(frozen=True, slots=True)
class Pending:
    """A request of a conversation: its next turn, or a question of its checks to a judge.

    `count` counts the tokens of what the variant wrote.
    """

    conversation: Conversation
    request: Request
    question: Question | None = None
    count: TokenCount = lambda text, variant: None

    def take(self, completion: Completion, *, generated: bool = False) -> None:
        """Hand the answer to the conversation; one that broke or is no reply ends it."""
        conversation, key, said = self.conversation, self.request.key, completion.error
        broke = bool(said) or completion.finish_reason == "error"
        if broke:
            what = "no answer" if self.question is None else "no reply of the judge"
            said = said or "the engine gave no reason"
            told = said if said.startswith("no answer") else f"{what}: {said}"
            conversation.fault = (Outcome.ERROR, told)
        elif self.question is None:
            conversation.add(completion, self.request, self.count)
            conversation.generated = conversation.generated or generated
        elif completion.finish_reason == "length":
            tokens = completion.completion_tokens
            reason = f"the judge's reply was cut off after {tokens} tokens"
            conversation.fault = (Outcome.ERROR, reason)
        else:
            conversation.replies[self.question.key] = completion.text
            conversation.keys.append(key)


class RequestBuilder:
    """Writes requests. A variant's weights are hashed once, when it is first asked."""

    def __init__(self, plan: Plan, backend: Backend) -> None:
        self._plan = plan
        self._backend = backend
        self._identities: dict[str, Identity] = {}
        self._judges = JudgeRequests(plan.judges)

    def begin(self, trial: Trial) -> Conversation:
        """Return a trial's conversation, in which nothing is said yet."""
        name = trial.variant.name
        family = self._plan.tool_families.get(name, "")
        form = self._plan.reasoning_of(trial.case, name)
        return Conversation(
            trial,
            reasoning=form,
            family=family,
            recorded=self._identity(trial.variant).addressed,
            characters=self._plan.characters(trial),
        )

    def pending(self, conversation: Conversation) -> Pending | None:
        """Return the next request as it is on its way; None as for `request`."""
        request = self.request(conversation)
        if request is None:
            return None
        return Pending(conversation, request, count=self._backend.count_tokens)

    def request(self, conversation: Conversation) -> Request | None:
        """Return the next request; None where it does not fit, which ends the conversation."""
        trial, steps = conversation.trial, conversation.steps
        turn, number = next_place(steps)
        haystacks, rendering = self._plan.haystacks, rendering_of(trial.case, trial.variant)
        if number and rendering.tool_choice != "none":
            # A call that is demanded again after each result would leave no room for an answer.
            rendering = replace(rendering, tool_choice="auto")
        form = conversation.reasoning
        conversation.messages = messages_after(
            trial, steps, haystacks, form.tags, pass_on=form.passed_on
        )
        prompt = prompt_of(self._backend, conversation.messages, trial.variant, trial.case)
        sampling = sampling_of(trial)
        room = self._backend.context_length
        if room is not None and prompt.tokens + sampling.max_new_tokens > room:
            reason = no_room(prompt.tokens, sampling.max_new_tokens, room, turn)
            conversation.fault = misfit(trial, reason)
            return None
        address = Address(trial.case.id, trial.variant.name, trial.repeat, turn, number)
        identity = self._identity(trial.variant, rendering.template_args)
        key = completion_key(identity, prompt, sampling, address)
        schema = schema_of(trial.case, turn) if self._backend.constrains_json else None
        if schema is not None:
            key = digest([key, schema])
        if rendering.tools:
            choice = rendering.tool_choice
            chosen = {} if choice == "auto" else {"tool_choice": choice}
            key = digest([key, {"tools": [dict(tool) for tool in rendering.tools], **chosen}])
        elif form.marked:  # with special tokens the text is another one; with tools it had them
            key = digest([key, "special tokens"])
        return Request(
            key,
            address,
            trial.variant,
            prompt,
            sampling,
            trial.case.time_limit,
            schema,
            rendering,
            form.marked,
        )

    def questions(self, conversation: Conversation) -> tuple[Question, ...]:
        """Return what the checks ask about the answers; one that breaks ends the conversation."""
        if not asks(conversation.trial.case):
            return ()
        try:
            return questions(conversation.trial.case, conversation.transcript, conversation.tags)
        except CheckBrokeError as error:
            conversation.fault = (Outcome.ERROR, str(error))
            return ()

    def judge_requests(self, conversation: Conversation) -> list[Pending]:
        """Return its questions as requests; one that cannot be asked ends the conversation."""
        found = []
        for place, question in enumerate(conversation.questions or ()):
            request = self._judges.request(conversation.trial, question, place)
            if isinstance(request, str):
                conversation.fault = (Outcome.ERROR, request)
                return []
            found.append(Pending(conversation, request, question))
        return found

    def signature(self, trial: Trial) -> Signature:
        """Return what the trial's result must share with another to be paired."""
        scoring = [self._judges.signature(trial.case)]
        if self._backend.constrains_json and is_constrained(trial.case):
            scoring.append("constrained")
        # A variant's own parser is what it declares: it keeps no results from being paired.
        if self._plan.reasoning_tags != DEFAULT_TAGS:
            scoring.append(digest([list(self._plan.reasoning_tags)], SIGNATURE_DIGITS))
        if trial.case.tools:
            family = self._plan.tool_families.get(trial.variant.name, "")
            scoring.append(digest(["tools", family], SIGNATURE_DIGITS))
        of_run = trial.variant.template_defaults
        if told := {k: v for k, v in of_run.items() if k not in trial.case.template_args}:
            scoring.append(digest(["chat_template_args", told], SIGNATURE_DIGITS))
        identity = self._identity(trial.variant)
        return signature_of(identity, trial.case.sampling, *filter(None, scoring))

    def _identity(self, variant: Variant, arguments: Mapping[str, Any] | None = None) -> Identity:
        """Return the identity of a variant whose chat template is told these arguments."""
        name = f"{variant.name} {canonical_json(dict(arguments))}" if arguments else variant.name
        if name not in self._identities:
            self._identities[name] = identify(variant, self._backend, arguments)
        return self._identities[name]
