"""The judges that the checks of a run ask for, opened from the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

from harness.backends import Address, Backend, BackendOptions, Completion, Request, open_backend
from harness.common import InputError, Problem, Sampling, Variant, digest, nearest
from harness.common.yaml_positions import Position
from harness.config import Settings, replicas_of
from harness.evaluation.keys import SIGNATURE_DIGITS, Identity, completion_key, identify
from harness.evaluation.scoring import CheckBrokeError, Transcript, exchanges
from harness.evaluation.trial import SEEDS, Trial
from harness.scorers import DEFAULT_TAGS, Answer, Context, Question, Tag, UnreadableError
from harness.suites import Case


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that checks may ask: its engine, which variant of it, and how it is sampled."""

    backend: Backend
    variant: Variant
    sampling: Sampling


Judges = Mapping[str, Judge]  # by the name that checks ask for; "" is the default one


def asks(case: Case) -> bool:
    """Return whether any check of a case may ask."""
    for turn in case.turns:
        for check in turn.checks:
            if check.scorer.asks:
                return True
    return False


def asked_of(case: Case) -> tuple[Question, ...]:
    """Return what the checks of a case would ask about some answer, to know whom they ask."""
    found: list[Question] = []
    for turn in case.turns:
        for check in (check for check in turn.checks if check.scorer.asks):
            # A user's own check may ask only about some answers, and break on a sample.
            with suppress(Exception):
                found += check.questions(Answer("?"), Context())
    return tuple(found)


def questions(
    case: Case, transcript: Transcript, tags: Sequence[Tag] = DEFAULT_TAGS
) -> tuple[Question, ...]:
    """Return what the checks ask about these answers, each question once.

    Nothing is asked about an answer that is not there. Raises CheckBrokeError.
    """
    found: dict[str, Question] = {}
    if not asks(case):
        return ()
    for exchange in exchanges(case, transcript, tags):
        for check in filter(exchange.has, case.turns[exchange.turn].checks):
            try:
                asked = check.questions(exchange.answer, exchange.context)
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                raise CheckBrokeError(f"check {check.name!r} broke: {said}") from error
            found.update((question.key, question) for question in asked)
    return tuple(found.values())


class JudgeRequests:
    """Writes requests to judges. Each one's weights are hashed once, when it is first asked."""

    def __init__(self, judges: Judges) -> None:
        self._judges = judges
        self._identities: dict[str, Identity] = {}
        self._signatures: dict[tuple[str, ...], str] = {}

    def request(self, trial: Trial, question: Question, place: int) -> Request | str:
        """Return the request of a trial's question number `place`, or why it cannot be asked.

        Recorded replies are found by the case, the variant that is judged, the repeat, and the
        number of the question as the turn.
        """
        address = Address(trial.case.id, trial.variant.name, trial.repeat, place)
        return self.asked_at(address, question)

    def asked_at(self, address: Address, question: Question, again: int = 0) -> Request | str:
        """Return the request of a question whose recorded reply is at this address.

        `again` counts up where a judge is asked the same once more, with another seed.
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
        identity = self._identity(question.backend)
        sampling = judge.sampling
        if again and not identity.addressed:
            address = replace(address, repeat=again)
            sampling = sampling.model_copy(update={"seed": (sampling.seed + again) % SEEDS})
        # The same answer twice is one question, unless replies are found by their address.
        shared = address if identity.addressed else replace(address, repeat=again)
        key = completion_key(identity, prompt, sampling, shared)
        return Request(key, address, judge.variant, prompt, sampling)

    def signature(self, case: Case) -> str:
        """Return what results share that these judges scored: models, sampling, questions."""
        questions = asked_of(case)
        keys = tuple(question.key for question in questions)
        if keys not in self._signatures:
            names = sorted({q.backend for q in questions if q.backend in self._judges})
            whole = [[name, self.describe(name)] for name in names]
            self._signatures[keys] = digest([whole, list(keys)], SIGNATURE_DIGITS) if keys else ""
        return self._signatures[keys]

    def describe(self, name: str) -> str:
        """Return a judge's model and a digest of its weights, environment and sampling."""
        judge = self._judges[name]
        sampling = judge.sampling.model_dump(mode="json")
        whole = digest([self._identity(name).digest, sampling], SIGNATURE_DIGITS)
        return f"{judge.variant.model}@{whole}"

    def _identity(self, name: str) -> Identity:
        if name not in self._identities:
            judge = self._judges[name]
            self._identities[name] = identify(judge.variant, judge.backend)
        return self._identities[name]


def no_reply(reply: Completion) -> str:
    """Say why a reply cannot be read: it broke, or was cut off; empty where it can."""
    if reply.error or reply.finish_reason == "error":
        return f"no reply of the judge: {reply.error or 'the engine gave no reason'}"
    if reply.finish_reason == "length":
        return f"the judge's reply was cut off after {reply.completion_tokens} tokens"
    return ""


def unreadable(error: UnreadableError) -> str:
    """Say what a judge wrote that cannot be read."""
    problem = error.problems[0]
    return f"{problem.message} (found: {problem.found}; expected: {problem.expected})"


def describe_judges(judges: Judges) -> dict[str, str]:
    """Describe each judge, by name: see `JudgeRequests.describe`."""
    requests = JudgeRequests(judges)
    return {name or "default": requests.describe(name) for name in sorted(judges)}


def expected_replies(trials: Sequence[Trial]) -> int:
    """Return how many replies these trials need, about."""
    counts: dict[int, int] = {}  # by the case itself: variants and repeats share it
    for trial in trials:
        if id(trial.case) not in counts:
            counts[id(trial.case)] = len(asked_of(trial.case))
    return sum(counts[id(trial.case)] for trial in trials)


NAME = "judge"  # the variant's: recorded replies need none, but a key names one
# A judge thinks before it rates; reasoning models need more, and say so themselves in settings.
SAMPLING = Sampling(max_new_tokens=1024)


@contextmanager
def open_judges(
    settings: Settings, cases: Iterable[Case], *, preferring: bool = False
) -> Iterator[Judges]:
    """Open the judges that these cases ask, by the name that they ask for; close them at the end.

    `preferring`: also those that compare answers.

    No weights are loaded. Raises InputError for a judge that nobody configured, with the first
    case that asks for it, and for a model or an engine that is wrong.
    """
    asking: dict[str, tuple[Case, Position]] = {}  # by name: the first case that asks, and where
    for case in {id(case): case for case in cases}.values():
        for question in asked_of(case):
            asking.setdefault(question.backend, (case, case.position))
        if preferring and case.prefer:
            asking.setdefault(case.prefer.backend, (case, case.prefer.position))
    problems = [
        replace(problem, path=at.path, line=at.line, column=at.column, case=case.id)
        for name, (case, at) in asking.items()
        if (problem := not_configured(settings, name))
    ]
    if problems:
        raise InputError(*problems)
    with ExitStack() as stack:
        judges = {}
        for name in asking:
            judges[name] = open_judge(settings, name)
            stack.callback(judges[name].backend.close)
        yield judges


def not_configured(settings: Settings, name: str) -> Problem | None:
    """Say that there is no judge of this name, `""` being the default one; None where there is."""
    if name in settings.judges or (not name and settings.judge is not None):
        return None
    table = f"[tool.harness.judges.{name}]" if name else "[tool.harness.judge]"
    return Problem(
        f"no judge is called {name!r}" if name else "a check asks a judge, and none is configured",
        did_you_mean=nearest(name, settings.judges) if name else "",
        hint=f"add {table} to pyproject.toml, with backend and model",
    )


def open_judge(settings: Settings, name: str) -> Judge:
    """Open the judge of this name; its caller closes its backend.

    Raises InputError for one that nobody configured, and for a model or an engine that is wrong.
    """
    if problem := not_configured(settings, name):
        raise InputError(problem)
    judge = settings.judges[name] if name else settings.judge
    assert judge is not None
    adapter = str(settings.path(judge.adapter)) if judge.adapter else None
    variant = Variant(NAME, settings.model_path(judge.model, judge.backend), adapter)
    options = BackendOptions(
        variants=(variant,),
        device=judge.device or settings.device,
        dtype=judge.dtype or settings.dtype,
        responses=settings.path(judge.responses) if judge.responses else None,
        base_url=judge.base_url,
        trust_remote_code=settings.trust_remote_code,
        cache_dir=settings.path(settings.store).parent,
        warm=not settings.no_warm,
        engine_args=judge.engine_args,
        replicas=replicas_of(settings, judge.replicas),
    )
    backend = open_backend(judge.backend, options)
    limit = judge.sampling and judge.sampling.max_reasoning_tokens
    if limit is not None and not backend.limits_reasoning:
        backend.close()
        raise InputError(
            Problem(
                f"max_reasoning_tokens of a judge: {judge.backend} has no limit for reasoning",
                hint="leave it out of its sampling",
            )
        )
    return Judge(backend, variant, SAMPLING.override(judge.sampling))
