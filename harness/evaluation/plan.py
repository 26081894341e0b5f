"""Which trials a run is made of, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from harness.backends import Backend
from harness.common import JsonValue, Variant, digest
from harness.evaluation.judges import Judges
from harness.evaluation.reasoning import ReasoningForm
from harness.evaluation.rendering import prompt_of, rendering_of
from harness.evaluation.trial import (
    Skip,
    Trial,
    constraint_notes,
    messages_of,
    misfit,
    no_room,
    sampling_of,
    system_role,
    system_text,
)
from harness.scorers import DEFAULT_TAGS, Tag
from harness.suites import Case, Fitted, Haystack, Suite, TooLong, fit
from harness.suites.haystack import text


class Memo(Protocol):
    """What was found out in an earlier run, by a key of all that it depends on."""

    def recall(self, key: str) -> JsonValue:
        """Return what is remembered, or None."""

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
        """Return what the reader of a report must know."""
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
    """Cut one haystack; the memo's key holds all that the length of a text in tokens depends on."""
    answer, room = sampling_of(trial).max_new_tokens, backend.context_length
    if room is not None and haystack.length + answer > room:
        return TooLong(no_room(haystack.length, answer, room))
    case, variant = trial.case, trial.variant
    system = system_text(case, variant)

    def count(user: str) -> int:
        asked = messages_of(trial, (), {case.id: user})
        prompt = prompt_of(backend, asked, trial.variant, trial.case)
        cuts.estimated = cuts.estimated or prompt.estimated
        return prompt.tokens

    if memo is None:
        return fit(haystack, count)
    environment = backend.environment(trial.variant)
    said: JsonValue = [] if system is None else [system]
    tokenizer = [environment.engine, environment.version, environment.chat_template]
    weights = backend.fingerprint(trial.variant).weights  # they stand for the tokenizer
    parts: list[JsonValue] = ["haystack", haystack.as_json(), said, [*tokenizer], weights]
    for tool in case.tools:
        parts.append(dict(tool))
    script = case.turns[0].script()
    if script or rendering_of(case, variant).template_args or system_role(case, variant) == "merge":
        args: JsonValue = dict(rendering_of(case, variant).template_args)
        parts += [script, args, system_role(case, variant)]
    key = digest(parts)
    match memo.recall(key):
        case [int(sentences), int(tokens)]:
            whole = text(haystack, sentences)
            if count(whole) == tokens:
                return Fitted(whole, tokens, sentences)
    cut = fit(haystack, count)
    if isinstance(cut, Fitted):
        memo.remember(key, [cut.sentences, cut.tokens])
    return cut


Select = Callable[[Case, Variant], bool]


@dataclass(frozen=True)
class Plan:
    """The trials of a run, in the order of their results.

    `skipped` are trials whose outcome is known already; `haystacks` holds the first user turn of
    haystack cases, by the id of the case; `notes` are choices made for the user. `judges` are the
    models that checks may ask; `reasoning_tags` say what of an answer is reasoning in this run, and
    `reasoning` how that of each variant is marked; `tool_families` in which form each variant's
    answers may write calls.
    """

    trials: tuple[Trial, ...]
    skipped: tuple[Skip, ...] = ()
    haystacks: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    judges: Judges = field(default_factory=dict)
    reasoning_tags: tuple[Tag, ...] = DEFAULT_TAGS
    reasoning: Mapping[str, ReasoningForm] = field(default_factory=dict)
    tool_families: Mapping[str, str] = field(default_factory=dict)

    def reasoning_of(self, case: Case, variant: str) -> ReasoningForm:
        """Return how the reasoning of the variant with this name is marked, in this case."""
        form = self.reasoning.get(variant) or ReasoningForm(self.reasoning_tags)
        return form.in_case(case)

    def characters(self, trial: Trial) -> int:
        """Return how many characters its prompts have, about."""
        haystack = self.haystacks.get(trial.case.id, "")
        script = sum(
            len(message.content) for t in trial.case.turns for message in (*t.before, *t.calls)
        )
        return len(haystack) + script + sum(len(turn.user) for turn in trial.case.turns)


def make_plan(
    suites: Sequence[Suite],
    variants: Sequence[Variant],
    backend: Backend,
    *,
    baseline: str | None = None,
    select: Select | None = None,
    memo: Memo | None = None,
) -> Plan:
    """Plan all selected cases on all variants, by suite, case, variant and repeat.

    Haystacks are cut with the tokenizer of the variant called `baseline`, or of the first one;
    `memo` (the store, say) remembers how long they were.
    """
    places = count()
    trials = tuple(
        Trial(case, variant, repeat, next(places))
        for suite in suites
        for case in suite.cases
        for variant in variants
        if select is None or select(case, variant)
        for repeat in range(case.repeats)
    )
    owner = next((v for v in variants if v.name == baseline), next(iter(variants), None))
    cuts = cut_haystacks(trials, owner, backend, memo) if owner else Cuts()
    reasons = cuts.reasons
    return Plan(
        trials=tuple(trial for trial in trials if trial.case.id not in reasons),
        skipped=tuple(
            Skip(trial, misfit(trial, reasons[trial.case.id]))
            for trial in trials
            if trial.case.id in reasons
        ),
        haystacks=cuts.texts,
        notes=(*cuts.notes, *constraint_notes(trials, backend)),
    )
