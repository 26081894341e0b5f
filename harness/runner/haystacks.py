"""The filler of haystack cases, cut once for all variants of a run.

The length is counted on the whole prompt (chat template, system turn and question included) with
the tokenizer of one variant, the baseline; all variants then read the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from harness.backends.values import Backend
from harness.canonical import JsonValue, digest
from harness.chat import Message
from harness.runner.conversation import sampling_of, system_turn
from harness.runner.trial import Trial, no_room
from harness.suites.haystack import Fitted, Haystack, TooLong, fit, text
from harness.variants import Variant


class Memo(Protocol):
    """What was found out in an earlier run, by a key of all that it depends on."""

    def recall(self, key: str) -> JsonValue:
        """What is remembered, or None."""

    def remember(self, key: str, value: JsonValue) -> None:
        """Keep it for the next run."""


@dataclass
class Cuts:
    """The first user turn of each haystack case, or the reason why there is none."""

    texts: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    estimated: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a report must know."""
        said = "the lengths of haystacks are estimates: this engine counts no tokens"
        return (said,) if self.estimated else ()


def cut_haystacks(
    trials: Iterable[Trial], owner: Variant, backend: Backend, memo: Memo | None = None
) -> Cuts:
    """Cut the filler of all haystack cases among these trials for the tokenizer of `owner`.

    With a memo, a text that an earlier run has cut is counted once instead of searched for.
    """
    cuts = Cuts()
    for case in {trial.case.id: trial.case for trial in trials if trial.case.haystack}.values():
        assert case.haystack is not None
        cut = _cut(Trial(case, owner), case.haystack, backend, cuts, memo)
        if isinstance(cut, Fitted):
            cuts.texts[case.id] = cut.text
        else:
            cuts.reasons[case.id] = cut.reason
    return cuts


def _cut(
    trial: Trial, haystack: Haystack, backend: Backend, cuts: Cuts, memo: Memo | None
) -> Fitted | TooLong:
    answer, room = sampling_of(trial).max_new_tokens, backend.context_length
    if room is not None and haystack.length + answer > room:
        return TooLong(no_room(haystack.length, answer, room))
    system = system_turn(trial.case, trial.variant)

    def count(user: str) -> int:
        prompt = backend.prompt((*system, Message("user", user)), trial.variant)
        cuts.estimated = cuts.estimated or prompt.estimated
        return prompt.tokens

    if memo is None:
        return fit(haystack, count)
    return _remembered(haystack, count, memo, _memo_key(trial, haystack, backend))


def _remembered(
    haystack: Haystack, count: Callable[[str], int], memo: Memo, key: str
) -> Fitted | TooLong:
    match memo.recall(key):
        case [int(sentences), int(tokens)]:
            whole = text(haystack, sentences)
            if count(whole) == tokens:
                return Fitted(whole, tokens, sentences)
    cut = fit(haystack, count)
    if isinstance(cut, Fitted):
        memo.remember(key, [cut.sentences, cut.tokens])
    return cut


def _memo_key(trial: Trial, haystack: Haystack, backend: Backend) -> str:
    """All that the length of a text in tokens depends on; the weights stand for the tokenizer."""
    environment = backend.environment(trial.variant)
    system: JsonValue = [message.content for message in system_turn(trial.case, trial.variant)]
    tokenizer = [environment.engine, environment.version, environment.chat_template]
    weights = backend.fingerprint(trial.variant).weights
    return digest(["haystack", haystack.as_json(), system, tokenizer, weights])
