"""Today's checks on stored answers: no engine, no generation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from harness.backends.values import Completion
from harness.chat import Message, Messages
from harness.runner.conversation import conversation
from harness.runner.engine import Limits
from harness.runner.judges import Bench, Judges, questions
from harness.runner.score import CheckBrokeError, Transcript, score_trial, unscored
from harness.runner.store import Store
from harness.runner.trial import Trial
from harness.runner.values import Outcome, Result, RunInfo, VariantInfo
from harness.sampling import Sampling
from harness.scorers.reasoning import DEFAULT_TAGS, Tag
from harness.suites.haystack import Haystack
from harness.suites.values import Case, Suite
from harness.variants import Variant

GONE = "the case is in none of these suites"
OTHER = "the case asks something else now: run it again"


@dataclass(frozen=True, slots=True)
class Rescored:
    """A stored result, and what today's checks make of the same answers."""

    before: Result
    after: Result

    @property
    def changed(self) -> bool:
        """Whether the outcome is another one."""
        return self.before.outcome is not self.after.outcome


def rescore(
    run_id: str,
    suites: Iterable[Suite],
    store: Store,
    limits: Limits | None = None,
    judges: Judges | None = None,
    tags: Sequence[Tag] = DEFAULT_TAGS,
) -> Iterator[Rescored]:
    """The results of a run, scored again, in their order; nothing is stored or asked.

    Raises InputError for a run that is not in the store. A case that is gone, or that asks
    something else than it did, becomes an error, as does one whose judge never replied to what its
    checks ask today; a trial that was never answered stays as it was.
    """
    cases = {case.id: case for suite in suites for case in suite.cases}
    variants = _variants(store.run(run_id))
    again = _Again(cases, variants, store, Bench(judges or {}), (limits or Limits()).check, tags)
    for result in store.results(run_id):
        yield Rescored(result, again.result(result))


def _variants(info: RunInfo) -> dict[str, Variant]:
    return {variant.name: _variant(variant) for variant in info.variants}


def _variant(info: VariantInfo) -> Variant:
    sampling = Sampling.model_validate(info.sampling) if info.sampling else None
    return Variant(info.name, info.model, info.adapter, info.system, sampling, info.role)


@dataclass(frozen=True, slots=True)
class _Again:
    """Scores results again, with what they are scored by."""

    cases: Mapping[str, Case]
    variants: Mapping[str, Variant]
    store: Store
    bench: Bench
    seconds: float
    tags: Sequence[Tag]

    def result(self, result: Result) -> Result:
        case = self.cases.get(result.case)
        transcript = _transcript(result)
        if case is None:
            return replace(result, outcome=Outcome.ERROR, score=0.0, checks=(), reason=GONE)
        trial = Trial(case, self.variants[result.variant], result.repeat)
        if not _same_question(trial, result, self.tags):
            return unscored(trial, transcript, Outcome.ERROR, OTHER, signature=result.environment)
        if len(result.responses) < len(case.turns):
            return replace(result, case_hash=case.hash)
        return score_trial(
            trial,
            replace(transcript, asked=self._replies(trial, transcript)),
            signature=result.environment,
            cached=result.cached,
            check_seconds=self.seconds,
            tags=self.tags,
        )

    def _replies(self, trial: Trial, transcript: Transcript) -> dict[str, str]:
        """What judges replied when they were asked the same."""
        with suppress(CheckBrokeError):  # scoring says so
            asked = questions(trial.case, transcript, self.tags)
            requests = {q.key: self.bench.request(trial, q, n) for n, q in enumerate(asked)}
            keys = {name: r.key for name, r in requests.items() if not isinstance(r, str)}
            stored = self.store.completions(keys.values()) if keys else {}
            return {name: stored[key].text for name, key in keys.items() if _is_whole(stored, key)}
        return {}


def _is_whole(stored: Mapping[str, Completion], key: str) -> bool:
    return key in stored and stored[key].finish_reason != "length"


def _same_question(trial: Trial, result: Result, tags: Sequence[Tag]) -> bool:
    """Whether today's case would ask what was asked then, as far as it got."""
    asked = _messages(result)
    users = [message.content for message in asked if message.role == "user"]
    if not users:  # skipped before it was asked
        return True
    haystack = trial.case.haystack
    if len(users) > len(trial.case.turns) or (haystack and not _hides(haystack, users[0])):
        return False
    haystacks = {trial.case.id: users[0]} if haystack else {}
    return conversation(trial, result.responses[: len(users) - 1], haystacks, tags) == asked


def _hides(haystack: Haystack, text: str) -> bool:
    """Whether this text is the haystack at some length."""
    facts = (*haystack.needles, *haystack.distractors)
    return text.endswith(haystack.question) and all(fact in text for fact in facts)


def _messages(result: Result) -> Messages:
    return tuple(
        Message(row["role"], row["content"])  # type: ignore[arg-type]
        for row in result.prompt
    )


def _transcript(result: Result) -> Transcript:
    """The answers again; what was counted over all turns is given to the last one."""
    completions = [Completion(text, "stop") for text in result.responses]
    if completions:
        completions[-1] = replace(
            completions[-1],
            finish_reason=result.finish_reason,
            prompt_tokens=result.prompt_tokens,
            completion_tokens=result.completion_tokens,
            seconds=result.seconds,
        )
    return Transcript(_messages(result), tuple(completions))
