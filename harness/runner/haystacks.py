"""The filler of haystack cases, cut once for all variants of a run.

The length is counted on the whole prompt (chat template, system turn and question included) with
the tokenizer of one variant, the baseline; all variants then read the same text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.backends.values import Backend
from harness.chat import Message
from harness.runner.conversation import sampling_of, system_turn
from harness.runner.trial import Trial, no_room
from harness.suites.haystack import Fitted, Haystack, TooLong, fit
from harness.variants import Variant


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


def cut_haystacks(trials: Iterable[Trial], owner: Variant, backend: Backend) -> Cuts:
    """Cut the filler of all haystack cases among these trials for the tokenizer of `owner`."""
    cuts = Cuts()
    for case in {trial.case.id: trial.case for trial in trials if trial.case.haystack}.values():
        assert case.haystack is not None
        cut = _cut(Trial(case, owner), case.haystack, backend, cuts)
        if isinstance(cut, Fitted):
            cuts.texts[case.id] = cut.text
        else:
            cuts.reasons[case.id] = cut.reason
    return cuts


def _cut(trial: Trial, haystack: Haystack, backend: Backend, cuts: Cuts) -> Fitted | TooLong:
    answer, room = sampling_of(trial).max_new_tokens, backend.context_length
    if room is not None and haystack.length + answer > room:
        return TooLong(no_room(haystack.length, answer, room))
    system = system_turn(trial.case, trial.variant)

    def count(text: str) -> int:
        prompt = backend.prompt((*system, Message("user", text)), trial.variant)
        cuts.estimated = cuts.estimated or prompt.estimated
        return prompt.tokens

    return fit(haystack, count)
