"""From the answers of one trial to its result."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from types import FrameType
from typing import Self, TypeVar

from harness.backends import Completion
from harness.common import MachineryError, Messages, ToolCall, as_dicts
from harness.evaluation.completions import Limits
from harness.evaluation.steps import Step, asked_at, steps_of
from harness.evaluation.trial import Trial
from harness.results import AnswerStep, CheckResult, HaystackCell, Outcome, Result, Signature
from harness.scorers import (
    DEFAULT_TAGS,
    Answer,
    Check,
    Context,
    Tag,
    combine,
    verdict,
)
from harness.suites import Case

T = TypeVar("T")
UNSIGNED = Signature()  # of a result that is paired with nothing


class Overrun(BaseException):
    """The time is over. Not an `Exception`, so that no broad `except` keeps it from ending."""


class Alarm:
    """A time limit on one piece of work after the other; to be used as a context manager.

    In the main thread a timer ends what is late; one that was running before (pytest's, say) goes
    on afterwards. Elsewhere each piece gets a thread of its own, which is left to itself when it is
    late. What the signal does is said once for all pieces: that costs more than many a check.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._armed = self._has_timer = False

    def __enter__(self) -> Self:
        """Pause a timer that is running."""
        main = threading.current_thread() is threading.main_thread()
        self._has_timer = main and hasattr(signal, "setitimer")
        if self._has_timer:
            self._began = time.monotonic()
            self._before = signal.signal(signal.SIGALRM, self._ring)
            self._rest, self._interval = signal.setitimer(signal.ITIMER_REAL, 0)
        return self

    def __exit__(self, *error: object) -> None:
        """Let the timer go on that was running."""
        if self._has_timer:
            signal.signal(signal.SIGALRM, self._before)
            if self._rest:
                rest = max(self._rest - (time.monotonic() - self._began), 1e-6)
                signal.setitimer(signal.ITIMER_REAL, rest, self._interval)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            raise Overrun

    def within(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; raises `Overrun` when it takes too long."""
        if self._has_timer:
            try:
                self._armed = True
                signal.setitimer(signal.ITIMER_REAL, self.seconds)
                try:
                    return work()
                finally:
                    self._armed = False
            finally:  # even when the timer rang between the end of the work and the line above
                signal.setitimer(signal.ITIMER_REAL, 0)
        answers: list[T] = []
        errors: list[BaseException] = []

        def target() -> None:
            try:
                answers.append(work())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=target, daemon=True, name="check")
        thread.start()
        thread.join(self.seconds)
        if thread.is_alive():
            raise Overrun
        if errors:
            raise errors[0]
        return answers[0]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a trial: the messages that led to the last answer, and all answers.

    `asked` holds the replies of judges, by `Question.key`; `family` is the form in which answers
    may write calls of tools. `read` are the answers as somebody has read them already.
    """

    messages: Messages = ()
    completions: tuple[Completion, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)
    family: str = ""
    read: tuple[Step, ...] = ()

    def steps(self, case: Case, tags: Sequence[Tag]) -> tuple[Step, ...]:
        """Return the answers, each with its place."""
        return self.read or tuple(steps_of(case, self.completions, tags, self.family))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One answer with the conversation that led to it.

    `missing` says why there is no answer to check; empty where there is one.
    """

    turn: int
    answer: Answer
    context: Context
    missing: str = ""

    def has(self, check: Check) -> bool:
        """Return whether what a check reads is there."""
        reads_other = check.step is not None or (check.read and self.answer.reasoning)
        return not self.missing or bool(reads_other)


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """What the checks come to."""

    outcome: Outcome
    score: float
    reason: str
    checks: tuple[CheckResult, ...] = ()


class CheckBrokeError(Exception):
    """A check raised or was late: that is machinery, not the model's fault."""


# Why there is no answer that checks could read.
EMPTY, UNENDED = "empty answer", "thinking never ended"


def exchanges(
    case: Case, transcript: Transcript, tags: Sequence[Tag] = DEFAULT_TAGS
) -> Iterator[Exchange]:
    """Yield the last answer to each turn, without its reasoning, in the light of what led to it.

    It has the calls of tools of all answers to the turn, and their reasoning.
    """
    messages = transcript.messages
    calls: list[ToolCall] = []
    thoughts: list[str] = []
    answers: list[Answer] = []
    steps = transcript.steps(case, tags)
    ends = asked_at(case, steps)
    # The system's turn, if there is one, comes before all that is counted.
    head = sum(message.role == "system" for message in messages[:1])
    for end, step in zip(ends, steps, strict=True):
        completion, text = step.completion, step.reading.text
        calls += step.reading.calls
        thoughts += [step.reading.reasoning] if step.reading.reasoning else []
        answer = Answer(
            text,
            completion.text,
            completion.finish_reason,
            step.reading.calls,
            step.reading.reasoning,
        )
        answers.append(answer)
        if not step.goes_on:
            if len(answers) > 1:
                answer = replace(
                    answer,
                    calls=tuple(calls),
                    reasoning="\n\n".join(thoughts),
                    steps=tuple(answers),
                )
            context = Context(messages[: head + end], transcript.asked, case.tools)
            empty = not (case.allow_empty or text.strip() or calls)
            missing = EMPTY if empty else ""
            missing = missing if step.reading.ended else UNENDED
            yield Exchange(step.turn, answer, context, missing)
            calls, thoughts, answers = [], [], []


def score_transcript(
    case: Case,
    transcript: Transcript,
    *,
    check_seconds: float = Limits().check,
    tags: Sequence[Tag] = DEFAULT_TAGS,
    alarm: Alarm | None = None,
) -> ScoreResult:
    """Score answers that are all there with today's checks.

    A check that cannot tell fails the case; one that raises, or takes longer than `check_seconds`,
    makes it an error. An empty answer fails all of its checks unseen, unless the case allows it;
    so does one whose thinking never ended, but for checks of the reasoning. Whoever scores many
    has one `alarm` for all, with its limit.
    """
    if alarm is None:
        with Alarm(check_seconds) as own:
            return score_transcript(case, transcript, tags=tags, alarm=own)
    said = list(exchanges(case, transcript, tags))
    found: list[CheckResult] = []
    try:
        for exchange in said:
            for check in case.turns[exchange.turn].checks:
                found.append(_apply(check, exchange, alarm))
    except CheckBrokeError as error:
        return ScoreResult(Outcome.ERROR, 0.0, str(error), tuple(found))
    checks = tuple(found)
    if lacking := next((exchange for exchange in said if exchange.missing), None):
        reason = _at_turn(lacking.missing, lacking.turn, len(said))
        return ScoreResult(Outcome.FAIL, 0.0, reason, checks)
    passed, score = combine(checks, case.threshold)
    if passed:
        return ScoreResult(Outcome.PASS, score, "", checks)
    turns = 1 + max((check.turn for check in checks), default=0)
    reasons = [] if case.threshold is None else [f"score {score:.3g} is below {case.threshold:g}"]
    for result in checks:
        if not result.passed:
            why = result.reason or "does not hold"
            if result.passed is None and not why.startswith(UNKNOWN):
                why = f"{UNKNOWN}: {why}"
            reasons.append(_at_turn(f"{result.title}: {why}", result.turn, turns))
    return ScoreResult(Outcome.FAIL, score, "; ".join(reasons) or "there is no check", checks)


def score_trial(
    trial: Trial,
    transcript: Transcript,
    *,
    signature: Signature = UNSIGNED,
    cached: bool = False,
    check_seconds: float = Limits().check,
    tags: Sequence[Tag] = DEFAULT_TAGS,
) -> Result:
    """Return the result of a trial whose answers are all there: see `score_transcript`."""
    score = score_transcript(trial.case, transcript, check_seconds=check_seconds, tags=tags)
    return result_of(trial, transcript, score, signature=signature, cached=cached, tags=tags)


def unscored(
    trial: Trial,
    transcript: Transcript,
    outcome: Outcome,
    reason: str,
    *,
    signature: Signature = UNSIGNED,
    tags: Sequence[Tag] = DEFAULT_TAGS,
) -> Result:
    """Return the result of a trial that was skipped or broke; `reason` says why."""
    score = ScoreResult(outcome, 0.0, reason)
    return result_of(trial, transcript, score, signature=signature, tags=tags)


def result_of(
    trial: Trial,
    transcript: Transcript,
    score: ScoreResult,
    *,
    signature: Signature = UNSIGNED,
    cached: bool = False,
    tags: Sequence[Tag] = DEFAULT_TAGS,
) -> Result:
    """Return the result of a trial that was scored so.

    Its finish reason is that of the first answer that did not come to its own end, else `stop`.
    """
    case, completions, reason = trial.case, transcript.completions, score.reason
    steps = transcript.steps(case, tags)
    texts = {step.turn: step.completion.text for step in steps}
    thoughts = {step.turn: step.reading.reasoning for step in steps}
    ends = [completion.finish_reason for completion in completions]
    cut = [completion for completion in completions if completion.finish_reason == "length"]
    machines = {completion.machine for completion in completions}
    firsts = [c.first_token for c in completions if c.first_token is not None]
    if score.outcome is Outcome.FAIL and cut:
        reason = f"{reason} (cut off after {cut[0].completion_tokens} tokens, at max_new_tokens)"
    return Result(
        suite=case.suite,
        category=case.category,
        case=case.id,
        variant=trial.variant.name,
        repeat=trial.repeat,
        outcome=score.outcome,
        score=score.score,
        responses=tuple(texts.values()),
        checks=score.checks,
        reason=reason,
        finish_reason=next((end for end in ends if end != "stop"), "stop"),
        prompt_tokens=sum(completion.prompt_tokens for completion in completions),
        completion_tokens=sum(completion.completion_tokens for completion in completions),
        seconds=sum(completion.seconds for completion in completions),
        case_hash=case.hash,
        signature=signature,
        cluster=case.cluster,
        required=case.required,
        tags=case.tags,
        cached=cached,
        prompt=tuple(as_dicts(transcript.messages)),
        steps=tuple(
            AnswerStep(
                step.turn,
                step.completion.text,
                step.reading.calls,
                step.completion.finish_reason,
                step.completion.completion_tokens,
                step.reading.reasoning,
                step.reading.reasoning_tokens,
            )
            for step in (steps if case.tools else ())
        ),
        reasoning=tuple(thoughts.values()) if any(thoughts.values()) else (),
        reasoning_tokens=sum(step.reading.reasoning_tokens for step in steps),
        unended=sum(not step.reading.ended for step in steps),
        cell=HaystackCell(case.haystack.length, case.haystack.depth) if case.haystack else None,
        first_token=fmean(firsts) if firsts and len(firsts) == len(completions) else None,
        machine=machines.pop() if len(machines) == 1 else "",
        counted=all(completion.counted for completion in completions),
    )


def _apply(check: Check, exchange: Exchange, alarm: Alarm) -> CheckResult:
    """Apply one check to one answer. Raises CheckBrokeError."""
    try:
        if not exchange.has(check):
            finding = verdict(False, exchange.missing)
        else:
            finding = alarm.within(lambda: check(exchange.answer, exchange.context))
    except Overrun:
        raise CheckBrokeError(
            f"check {check.name!r} took longer than {alarm.seconds:g} s and was ended"
        ) from None
    except MachineryError as error:
        problem = error.problems[0]
        parts = [("found", problem.found), ("expected", problem.expected)]
        details = "; ".join(f"{name}: {text}" for name, text in parts if text)
        said = f"{problem.message} ({details})" if details else problem.message
        raise CheckBrokeError(f"check {check.name!r}: {said}") from error
    except Exception as error:
        raise CheckBrokeError(
            f"check {check.name!r} broke: {type(error).__name__}: {error}"
        ) from error
    return CheckResult(
        check=check.name,
        turn=exchange.turn,
        passed=finding.passed,
        score=finding.score,
        reason=finding.reason,
        version=check.scorer.version,
        weight=check.weight,
        detail=finding.detail,
        read=check.read,
        step=check.step,
    )


UNKNOWN = "cannot tell"  # most checks that cannot tell begin their reason so themselves


def _at_turn(text: str, turn: int, turns: int) -> str:
    return f"turn {turn + 1}: {text}" if turns > 1 else text
