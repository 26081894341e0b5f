"""From the answers of one trial to its result."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import TypeVar

from harness.backends import Completion
from harness.common import MachineryError, Messages, as_dicts
from harness.evaluation.completions import Limits
from harness.evaluation.trial import Trial
from harness.results import CheckResult, HaystackCell, Outcome, Result, Signature
from harness.scorers import Answer, Check, Context, Finding, verdict
from harness.scorers.check import combine
from harness.scorers.reasoning import DEFAULT_TAGS, Tag, strip_reasoning
from harness.suites import Case

T = TypeVar("T")
UNSIGNED = Signature()  # of a result that is paired with nothing


class Overrun(BaseException):
    """The time is over. Not an `Exception`, so that no broad `except` keeps it from ending."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns; raises `Overrun` when it takes longer than `seconds`."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _timed(seconds, work)
    return _in_thread(seconds, work)


def _timed(seconds: float, work: Callable[[], T]) -> T:
    """With a timer; one that was running before (pytest's, say) goes on afterwards."""
    armed = True

    def ring(number: int, frame: FrameType | None) -> None:
        if armed:
            raise Overrun

    before = signal.signal(signal.SIGALRM, ring)
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            return work()
        finally:
            armed = False
    finally:  # even when the timer rang between the end of the work and the line above
        left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
        signal.signal(signal.SIGALRM, before)
        if rest:
            elapsed = seconds - left
            signal.setitimer(signal.ITIMER_REAL, max(rest - elapsed, 1e-6), interval)


def _in_thread(seconds: float, work: Callable[[], T]) -> T:
    answers: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, daemon=True, name="check")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise Overrun
    if errors:
        raise errors[0]
    return answers[0]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a trial: the messages that led to the last answer, and all answers.

    `asked` holds the replies of judges, by `Question.key`.
    """

    messages: Messages = ()
    completions: tuple[Completion, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One answer with the conversation that led to it. `empty`: it fails whatever is checked."""

    turn: int
    answer: Answer
    context: Context
    empty: bool


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the checks come to."""

    outcome: Outcome
    score: float
    reason: str
    checks: tuple[CheckResult, ...] = ()


class CheckBrokeError(Exception):
    """A check raised or was late: that is machinery, not the model's fault."""


def exchanges(
    case: Case, transcript: Transcript, tags: Sequence[Tag] = DEFAULT_TAGS
) -> Iterator[Exchange]:
    """Each answer without its reasoning, in the light of what was said before it."""
    messages = transcript.messages
    users = [place for place, message in enumerate(messages) if message.role == "user"]
    pairs = zip(users, transcript.completions, strict=True)
    for turn, (place, completion) in enumerate(pairs):
        text = strip_reasoning(completion.text, tags)
        answer = Answer(text, completion.text, completion.finish_reason)
        context = Context(messages[: place + 1], transcript.asked)
        yield Exchange(turn, answer, context, not (case.allow_empty or text.strip()))


def rule(
    case: Case,
    transcript: Transcript,
    *,
    check_seconds: float = Limits().check,
    tags: Sequence[Tag] = DEFAULT_TAGS,
) -> Ruling:
    """What today's checks say of answers that are all there.

    A check that cannot tell fails the case; one that raises, or takes longer than `check_seconds`,
    makes it an error. An empty answer fails all of its checks unseen, unless the case allows it.
    """
    said = list(exchanges(case, transcript, tags))
    checks: list[CheckResult] = []
    try:
        for exchange in said:
            for check in case.turns[exchange.turn].checks:
                checks.append(_check(check, exchange, check_seconds))
    except CheckBrokeError as error:
        return Ruling(Outcome.ERROR, 0.0, str(error), tuple(checks))
    empty = next((exchange.turn for exchange in said if exchange.empty), None)
    if empty is not None:
        reason = _at_turn("empty answer", empty, len(said))
        return Ruling(Outcome.FAIL, 0.0, reason, tuple(checks))
    return _combined(tuple(checks), case.threshold)


def score_trial(
    trial: Trial,
    transcript: Transcript,
    *,
    signature: Signature = UNSIGNED,
    cached: bool = False,
    check_seconds: float = Limits().check,
    tags: Sequence[Tag] = DEFAULT_TAGS,
) -> Result:
    """The result of a trial whose answers are all there: see `rule`."""
    ruling = rule(trial.case, transcript, check_seconds=check_seconds, tags=tags)
    return ruled(trial, transcript, ruling, signature=signature, cached=cached)


def unscored(
    trial: Trial,
    transcript: Transcript,
    outcome: Outcome,
    reason: str,
    *,
    signature: Signature = UNSIGNED,
) -> Result:
    """The result of a trial that was skipped or broke; `reason` says why, in plain words."""
    return ruled(trial, transcript, Ruling(outcome, 0.0, reason), signature=signature)


def _check(check: Check, exchange: Exchange, seconds: float) -> CheckResult:
    empty = verdict(False, "empty answer")
    finding = empty if exchange.empty else _found(check, exchange, seconds)
    return CheckResult(
        check=check.name,
        turn=exchange.turn,
        passed=finding.passed,
        score=finding.score,
        reason=finding.reason,
        version=check.scorer.version,
        weight=check.weight,
        detail=finding.detail,
    )


def _found(check: Check, exchange: Exchange, seconds: float) -> Finding:
    try:
        return within(seconds, lambda: check(exchange.answer, exchange.context))
    except Overrun:
        raise CheckBrokeError(
            f"check {check.name!r} took longer than {seconds:g} s and was ended"
        ) from None
    except MachineryError as error:
        raise CheckBrokeError(f"check {check.name!r}: {_in_a_line(error)}") from error
    except Exception as error:
        raise CheckBrokeError(
            f"check {check.name!r} broke: {type(error).__name__}: {error}"
        ) from error


def _in_a_line(error: MachineryError) -> str:
    """What broke, with what was found and wanted, where that is known."""
    problem = error.problems[0]
    parts = [("found", problem.found), ("expected", problem.expected)]
    details = "; ".join(f"{name}: {text}" for name, text in parts if text)
    return f"{problem.message} ({details})" if details else problem.message


def _combined(checks: tuple[CheckResult, ...], threshold: float | None) -> Ruling:
    passed, score = combine(checks, threshold)
    if passed:
        return Ruling(Outcome.PASS, score, "", checks)
    turns = 1 + max((check.turn for check in checks), default=0)
    reasons = [_why(check, turns) for check in checks if not check.passed]
    if threshold is not None:
        reasons.insert(0, f"score {score:.3g} is below {threshold:g}")
    return Ruling(Outcome.FAIL, score, "; ".join(reasons) or "there is no check", checks)


def _why(check: CheckResult, turns: int) -> str:
    said = check.reason or "does not hold"
    if check.passed is None and not said.startswith(_UNKNOWN):
        said = f"{_UNKNOWN}: {said}"
    return _at_turn(f"{check.check}: {said}", check.turn, turns)


_UNKNOWN = "cannot tell"  # most checks that cannot tell begin their reason so themselves


def _at_turn(text: str, turn: int, turns: int) -> str:
    return f"turn {turn + 1}: {text}" if turns > 1 else text


def ruled(
    trial: Trial,
    transcript: Transcript,
    ruling: Ruling,
    *,
    signature: Signature = UNSIGNED,
    cached: bool = False,
) -> Result:
    """The result of a trial on which this was ruled."""
    case, completions = trial.case, transcript.completions
    return Result(
        suite=case.suite,
        category=case.category,
        case=case.id,
        variant=trial.variant.name,
        repeat=trial.repeat,
        outcome=ruling.outcome,
        score=ruling.score,
        responses=tuple(completion.text for completion in completions),
        checks=ruling.checks,
        reason=_with_length(ruling, completions),
        finish_reason=_finish_reason(completions),
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
        cell=HaystackCell(case.haystack.length, case.haystack.depth) if case.haystack else None,
    )


def _finish_reason(completions: Sequence[Completion]) -> str:
    """That of the first answer that did not come to its own end, else of the last."""
    reasons = [completion.finish_reason for completion in completions]
    return next((reason for reason in reasons if reason != "stop"), "stop")


def _with_length(ruling: Ruling, completions: Sequence[Completion]) -> str:
    cut = [completion for completion in completions if completion.finish_reason == "length"]
    if ruling.outcome is not Outcome.FAIL or not cut:
        return ruling.reason
    tokens = cut[0].completion_tokens
    return f"{ruling.reason} (cut off after {tokens} tokens, at max_new_tokens)"
