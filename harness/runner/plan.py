"""Which trials a run is made of, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from harness.backends.values import Backend
from harness.runner.constraint import constraint_notes
from harness.runner.haystacks import Cuts, Memo, cut_haystacks
from harness.runner.judges import Judges
from harness.runner.trial import Skip, Trial, misfit
from harness.scorers.reasoning import DEFAULT_TAGS, Tag
from harness.suites.values import Case, Suite
from harness.variants import Variant

Select = Callable[[Case, Variant], bool]


@dataclass(frozen=True)
class Plan:
    """The trials of a run, in the order of their results.

    `skipped` are trials whose outcome is known already; `haystacks` holds the first user turn of
    haystack cases, by the id of the case; `notes` are choices made for the user. `judges` are the
    models that checks may ask; `reasoning_tags` say what of an answer is reasoning.
    """

    trials: tuple[Trial, ...]
    skipped: tuple[Skip, ...] = ()
    haystacks: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    judges: Judges = field(default_factory=dict)
    reasoning_tags: tuple[Tag, ...] = DEFAULT_TAGS

    def characters(self, trial: Trial) -> int:
        """How long its prompts are, about."""
        haystack = self.haystacks.get(trial.case.id, "")
        return len(haystack) + sum(len(turn.user) for turn in trial.case.turns)


def make_plan(
    suites: Sequence[Suite],
    variants: Sequence[Variant],
    backend: Backend,
    *,
    baseline: str | None = None,
    select: Select | None = None,
    memo: Memo | None = None,
) -> Plan:
    """All selected cases on all variants, by suite, case, variant and repeat.

    Haystacks are cut with the tokenizer of the variant called `baseline`, or of the first one;
    `memo` (the store, say) remembers how long they were.
    """
    trials = tuple(_trials(suites, variants, select))
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


def _trials(
    suites: Iterable[Suite], variants: Sequence[Variant], select: Select | None
) -> Iterator[Trial]:
    positions = count()
    for suite in suites:
        for case in suite.cases:
            for variant in variants:
                if select is None or select(case, variant):
                    for repeat in range(case.repeats):
                        yield Trial(case, variant, repeat, next(positions))
