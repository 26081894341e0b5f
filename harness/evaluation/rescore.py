"""An earlier run under today's suites and checks: its answers are scored and gated again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.backends import Completion
from harness.common import InputError, Message, Messages, Problem, Sampling, Variant
from harness.config import Settings, load_selected
from harness.evaluation.completions import Limits
from harness.evaluation.judges import Bench, Judges, open_judges, questions
from harness.evaluation.scoring import CheckBrokeError, Transcript, score_trial, unscored
from harness.evaluation.trial import Trial, conversation
from harness.evaluation.verdict import exit_code, judge_run, recalled_baseline
from harness.reports import build_scorecard
from harness.reports.words import label
from harness.results import GateReport, Outcome, Result, RunInfo, VariantInfo, Verdict
from harness.scorers.reasoning import DEFAULT_TAGS, Tag
from harness.store import Store, existing_store, find_run
from harness.suites import Case, Haystack, Suite

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
            return unscored(trial, transcript, Outcome.ERROR, OTHER, signature=result.signature)
        if len(result.responses) < len(case.turns):
            return replace(result, case_hash=case.hash)
        return score_trial(
            trial,
            replace(transcript, asked=self._replies(trial, transcript)),
            signature=result.signature,
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


@dataclass(frozen=True)
class RescoreReport:
    """Today's checks on the answers of an earlier run; nothing of it is stored.

    `verdicts` are lines "suite, variant: before → after" for verdicts that change; `summary` says
    what the gate says of each candidate under today's checks.
    """

    info: RunInfo
    total: int
    changed: tuple[Rescored, ...]
    verdicts: tuple[str, ...]
    summary: tuple[str, ...]
    verdict: Verdict | None
    exit_code: int


def rescore_run(settings: Settings, name: str, named: Sequence[str] = ()) -> RescoreReport:
    """Score a stored run again with the suites as they are now, and gate both.

    Without names, the suites are those of the run. Raises InputError where one of them is gone, or
    where a named one leaves out what the run has.
    """
    with existing_store(settings.path(settings.store)) as store:
        info = find_run(store, name)
        suites = load_selected(named or _files(info, settings), settings)
        _check_all_there(info, suites)
        earlier, warnings = recalled_baseline(settings, info)
        before = judge_run(info, store.results(info.id), earlier)
        with open_judges(settings, (case for suite in suites for case in suite.cases)) as judges:
            tags = settings.reasoning_tags
            again = list(rescore(info.id, suites, store, judges=judges, tags=tags))
        after = judge_run(info, (rescored.after for rescored in again), earlier)
    after = replace(after, warnings=(*after.warnings, *warnings))
    return RescoreReport(
        info=info,
        total=len(again),
        changed=tuple(rescored for rescored in again if rescored.changed),
        verdicts=tuple(_changed_verdicts(before, after)),
        summary=tuple(_summary(info, after)),
        verdict=after.verdict,
        exit_code=exit_code(after.verdicts),
    )


def _summary(info: RunInfo, gate: GateReport) -> Iterator[str]:
    """The verdict on each candidate in words; why there is none, where nothing is gated."""
    scorecard = build_scorecard(info, gate)
    for card in scorecard.candidates():
        yield f"{label(card.verdict).upper()}: {card.summary}"
    yield from (f"warning: {text}" for text in scorecard.gate.warnings)


def _files(info: RunInfo, settings: Settings) -> list[str]:
    """The suites of the run where they were then: in the project, or from the working directory."""
    places = {s.name: (settings.path(s.path), Path(s.path)) for s in info.suites}
    found = {n: next((p for p in some if p.is_file()), None) for n, some in places.items()}
    gone = [suite for suite in info.suites if found[suite.name] is None]
    if gone:
        raise InputError(
            *(
                Problem(
                    f"suite {suite.name} of run {info.id} is not there any more",
                    path=suite.path,
                    hint=f"name the files where the suites are now: harness rescore {info.id} FILE",
                )
                for suite in gone
            )
        )
    return [str(path) for path in found.values()]


def _check_all_there(info: RunInfo, suites: Sequence[Suite]) -> None:
    """A suite left out would turn all of its results into errors."""
    known = {suite.name for suite in suites}
    missing = [suite.name for suite in info.suites if suite.name not in known]
    if missing:
        raise InputError(
            Problem(
                f"run {info.id} has suites that are not named: {', '.join(missing)}",
                found=", ".join(sorted(known)),
                hint=f"name all of them, or none: harness rescore {info.id}",
            )
        )


def _changed_verdicts(before: GateReport, after: GateReport) -> Iterator[str]:
    old = {(row.suite, row.variant): row.verdict for row in before.suites}
    for row in after.suites:
        was = old.get((row.suite, row.variant))
        if was is not row.verdict:
            now = row.verdict or "no verdict"
            yield f"{row.suite}, {row.variant}: {was or 'no verdict'} → {now}"
