"""From the answers of one trial to its result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.backends.values import Completion
from harness.chat import Messages, as_dicts
from harness.runner.alarm import Overrun, within
from harness.runner.engine import Limits
from harness.runner.trial import Trial
from harness.runner.values import CheckResult, Outcome, Result
from harness.scorers import Answer, Check, Context
from harness.scorers.aggregate import combine
from harness.scorers.reasoning import strip_reasoning


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a trial: the messages that led to the last answer, and all answers."""

    messages: Messages = ()
    completions: tuple[Completion, ...] = ()


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What the checks come to."""

    outcome: Outcome
    score: float
    reason: str


class _CheckBrokeError(Exception):
    """A check raised or was late: that is machinery, not the model's fault."""


def score_trial(
    trial: Trial,
    transcript: Transcript,
    *,
    signature: str = "",
    cached: bool = False,
    check_seconds: float = Limits().check,
) -> Result:
    """The result of a trial whose answers are all there.

    A check that cannot tell fails the case; one that raises, or takes longer than `check_seconds`,
    makes it an error. An empty answer fails before any check, unless the case allows it.
    """
    answers = [_answer(completion) for completion in transcript.completions]
    empty = [] if trial.case.allow_empty else [not answer.text.strip() for answer in answers]
    checks: list[CheckResult] = []
    try:
        if not any(empty):
            checks.extend(_checks(trial, transcript.messages, answers, check_seconds))
        ruling = _empty(empty) if any(empty) else _rule(checks, trial.case.threshold)
    except _CheckBrokeError as error:
        ruling = _Ruling(Outcome.ERROR, 0.0, str(error))
    return _result(trial, transcript, ruling, tuple(checks), signature, cached)


def unscored(
    trial: Trial,
    transcript: Transcript,
    outcome: Outcome,
    reason: str,
    *,
    signature: str = "",
) -> Result:
    """The result of a trial that was skipped or broke; `reason` says why, in plain words."""
    ruling = _Ruling(outcome, 0.0, reason)
    return _result(trial, transcript, ruling, (), signature, cached=False)


def _answer(completion: Completion) -> Answer:
    text = strip_reasoning(completion.text)
    return Answer(text, completion.text, completion.finish_reason)


def _checks(
    trial: Trial, messages: Messages, answers: Sequence[Answer], seconds: float
) -> Iterator[CheckResult]:
    """Each turn's checks on its answer, in the light of what was said before it."""
    users = [place for place, message in enumerate(messages) if message.role == "user"]
    for turn, (place, answer) in enumerate(zip(users, answers, strict=True)):
        context = Context(messages[: place + 1])
        for check in trial.case.turns[turn].checks:
            yield _check(check, turn, answer, context, seconds)


def _check(
    check: Check, turn: int, answer: Answer, context: Context, seconds: float
) -> CheckResult:
    try:
        finding = within(seconds, lambda: check(answer, context))
    except Overrun:
        raise _CheckBrokeError(
            f"check {check.name!r} took longer than {seconds:g} s and was ended"
        ) from None
    except Exception as error:
        raise _CheckBrokeError(
            f"check {check.name!r} broke: {type(error).__name__}: {error}"
        ) from error
    return CheckResult(
        check=check.name,
        turn=turn,
        passed=finding.passed,
        score=finding.score,
        reason=finding.reason,
        version=check.scorer.version,
        weight=check.weight,
        detail=finding.detail,
    )


def _empty(empty: Sequence[bool]) -> _Ruling:
    turn = empty.index(True)
    return _Ruling(Outcome.FAIL, 0.0, _at_turn("empty answer", turn, len(empty)))


def _rule(checks: Sequence[CheckResult], threshold: float | None) -> _Ruling:
    passed, score = combine(checks, threshold)
    if passed:
        return _Ruling(Outcome.PASS, score, "")
    turns = 1 + max((check.turn for check in checks), default=0)
    reasons = [_why(check, turns) for check in checks if not check.passed]
    if threshold is not None:
        reasons.insert(0, f"score {score:.3g} is below {threshold:g}")
    return _Ruling(Outcome.FAIL, score, "; ".join(reasons) or "there is no check")


def _why(check: CheckResult, turns: int) -> str:
    said = check.reason or "does not hold"
    reason = f"cannot tell: {said}" if check.passed is None else said
    return _at_turn(f"{check.check}: {reason}", check.turn, turns)


def _at_turn(text: str, turn: int, turns: int) -> str:
    return f"turn {turn + 1}: {text}" if turns > 1 else text


def _result(
    trial: Trial,
    transcript: Transcript,
    ruling: _Ruling,
    checks: tuple[CheckResult, ...],
    signature: str,
    cached: bool,
) -> Result:
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
        checks=checks,
        reason=_with_length(ruling, completions),
        finish_reason=_finish_reason(completions),
        prompt_tokens=sum(completion.prompt_tokens for completion in completions),
        completion_tokens=sum(completion.completion_tokens for completion in completions),
        seconds=sum(completion.seconds for completion in completions),
        case_hash=case.hash,
        environment=signature,
        cluster=case.cluster,
        required=case.required,
        tags=case.tags,
        cached=cached,
        prompt=tuple(as_dicts(transcript.messages)),
    )


def _finish_reason(completions: Sequence[Completion]) -> str:
    """That of the first answer that did not come to its own end, else of the last."""
    reasons = [completion.finish_reason for completion in completions]
    return next((reason for reason in reasons if reason != "stop"), "stop")


def _with_length(ruling: _Ruling, completions: Sequence[Completion]) -> str:
    cut = [completion for completion in completions if completion.finish_reason == "length"]
    if ruling.outcome is not Outcome.FAIL or not cut:
        return ruling.reason
    tokens = cut[0].completion_tokens
    return f"{ruling.reason} (cut off after {tokens} tokens, at max_new_tokens)"
