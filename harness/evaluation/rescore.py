"""An earlier run under today's suites and checks: its answers are scored and gated again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from harness.backends import Completion
from harness.common import InputError, Messages, Problem, Sampling, Variant, from_dicts
from harness.config import Settings, load_selected
from harness.evaluation.completions import Limits
from harness.evaluation.judges import JudgeRequests, Judges, open_judges, questions
from harness.evaluation.people import recalled_people
from harness.evaluation.preferring import recalled_preferences
from harness.evaluation.reasoning import ReasoningForm, variant_tags
from harness.evaluation.scoring import CheckBrokeError, Transcript, score_trial, unscored
from harness.evaluation.standing import standings
from harness.evaluation.steps import next_place, steps_of
from harness.evaluation.trial import Trial, messages_after, system_role, system_text
from harness.evaluation.verdict import exit_code, judge_run, recalled_baseline
from harness.prompts import ANY
from harness.reports import build_scorecard, label
from harness.results import Outcome, Result, RunInfo, Verdict
from harness.scorers import DEFAULT_TAGS, Tag
from harness.store import Store, existing_store, find_run
from harness.suites import Case, Suite

GONE = "the case is in none of these suites"
OTHER = "the case asks something else now: run it again"


@dataclass(frozen=True, slots=True)
class Rescored:
    """A stored result, and what today's checks make of the same answers."""

    before: Result
    after: Result

    @property
    def changed(self) -> bool:
        """Return whether the outcome is another one."""
        return self.before.outcome is not self.after.outcome


def rescore(
    run_id: str,
    suites: Iterable[Suite],
    store: Store,
    limits: Limits | None = None,
    judges: Judges | None = None,
    reasoning: Mapping[str, Sequence[Tag]] | None = None,
) -> Iterator[Rescored]:
    """Score the results of a run again, in their order; nothing is stored or asked.

    `reasoning`: the marks that are taken out of each variant's answers; the usual ones without it.
    Raises InputError for a run that is not in the store. A case that is gone, or that asks
    something else than it did, becomes an error, as does one whose judge never replied to what its
    checks ask today; a trial that was never answered stays as it was.
    """
    cases = {case.id: case for suite in suites for case in suite.cases}
    variants = {}
    for info in store.run(run_id).variants:
        sampling = Sampling.model_validate(info.sampling) if info.sampling else None
        variants[info.name] = Variant(
            info.name,
            info.model,
            info.adapter,
            info.system,
            sampling,
            info.role,
            reasoning_parser=info.reasoning_parser,
            system_role=info.system_role,
        )
    requests, seconds = JudgeRequests(judges or {}), (limits or Limits()).check
    for before in store.results(run_id):
        case = cases.get(before.case)
        if case is None:
            after = replace(before, outcome=Outcome.ERROR, score=0.0, checks=(), reason=GONE)
            yield Rescored(before, after)
            continue
        variant = variants[before.variant]
        form = ReasoningForm(
            tuple((reasoning or {}).get(before.variant, DEFAULT_TAGS)),
            settled=variant.reasoning_parser is not None,
        )
        tags = form.in_case(case).tags
        trial, signature = Trial(case, variant, before.repeat), before.signature
        transcript = transcript_of(before)
        if not _same_question(trial, before, tags):
            after = unscored(
                trial, transcript, Outcome.ERROR, OTHER, signature=signature, tags=tags
            )
        elif _unfinished(case, transcript, tags):
            after = replace(before, case_hash=case.hash)
        else:
            after = score_trial(
                trial,
                replace(transcript, asked=_replies(trial, transcript, requests, store, tags)),
                signature=signature,
                cached=before.cached,
                check_seconds=seconds,
                tags=tags,
            )
        yield Rescored(before, after)


def _replies(
    trial: Trial,
    transcript: Transcript,
    judges: JudgeRequests,
    store: Store,
    tags: Sequence[Tag],
) -> dict[str, str]:
    """Return what judges replied, in full, when they were asked the same."""
    try:
        asked = questions(trial.case, transcript, tags)
    except CheckBrokeError:  # scoring says so
        return {}
    requests = {q.key: judges.request(trial, q, place) for place, q in enumerate(asked)}
    keys = {name: r.key for name, r in requests.items() if not isinstance(r, str)}
    stored = store.completions(keys.values()) if keys else {}
    return {
        name: stored[key].text
        for name, key in keys.items()
        if key in stored and stored[key].finish_reason != "length"
    }


def _same_question(trial: Trial, result: Result, tags: Sequence[Tag]) -> bool:
    """Return whether today's case would ask what was asked then, as far as it got."""
    asked = _messages(result)
    case = trial.case
    users = [message.content for message in asked if message.role == "user"]
    if not users:  # skipped before it was asked
        return True
    haystack, haystacks = case.haystack, {}
    if haystack:  # at whatever length
        (first, *_) = case.asked(users) or ("",)
        facts = (*haystack.needles, *haystack.distractors)
        if not first.endswith(haystack.question) or any(fact not in first for fact in facts):
            return False
        system = system_text(case, trial.variant)
        if system and system_role(case, trial.variant) == "merge" and not case.turns[0].before:
            first = first.removeprefix(f"{system}\n\n")
        haystacks = {case.id: first}
    # Whether reasoning was passed on is the template's affair, and asks nothing else.
    said = tuple(replace(message, reasoning="") for message in asked)
    answers = transcript_of(result).completions
    return any(
        messages_after(trial, tuple(steps_of(case, answers[:n], tags, ANY)), haystacks, tags)
        == said
        for n in range(len(answers) + 1)
    )


def _unfinished(case: Case, transcript: Transcript, tags: Sequence[Tag]) -> bool:
    steps = tuple(steps_of(case, transcript.completions, tags, ANY))
    return next_place(steps)[0] < len(case.turns)


def _messages(result: Result) -> Messages:
    return from_dicts(result.prompt)


def transcript_of(result: Result) -> Transcript:
    """Return the answers of a stored result again.

    What was counted over all turns is given to the last one.
    """
    completions = [
        Completion(
            step.text,
            step.finish_reason,
            completion_tokens=step.tokens,
            tool_calls=step.tool_calls,
            reasoning=step.reasoning,
            reasoning_tokens=step.reasoning_tokens if step.reasoning else None,
            first_token=result.first_token,
            machine=result.machine,
            counted=result.counted,
        )
        for step in result.steps
    ] or [
        Completion(
            text,
            "stop",
            reasoning=reasoning,
            reasoning_tokens=0 if reasoning else None,
            first_token=result.first_token,
            machine=result.machine,
            counted=result.counted,
        )
        for text, reasoning in zip_longest(
            result.responses, result.reasoning[: len(result.responses)], fillvalue=""
        )
    ]
    if completions and not result.steps:
        completions[-1] = replace(
            completions[-1],
            finish_reason=result.finish_reason,
            prompt_tokens=result.prompt_tokens,
            completion_tokens=result.completion_tokens,
            reasoning_tokens=result.reasoning_tokens if result.reasoning else None,
            seconds=result.seconds,
        )
    if completions and result.steps:  # what was counted over all answers is given to the last one
        completions[-1] = replace(
            completions[-1], prompt_tokens=result.prompt_tokens, seconds=result.seconds
        )
    return Transcript(_messages(result), tuple(completions), family=ANY)


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
        suites = load_selected(named or suite_files(info, settings), settings)
        known = {suite.name for suite in suites}
        missing = [suite.name for suite in info.suites if suite.name not in known]
        if missing:  # all of its results would turn into errors
            raise InputError(
                Problem(
                    f"run {info.id} has suites that are not named: {', '.join(missing)}",
                    found=", ".join(sorted(known)),
                    hint=f"name all of them, or none: harness rescore {info.id}",
                )
            )
        earlier, warnings = recalled_baseline(settings, info)
        pairs = recalled_preferences(store, info.id)  # the answers are the same
        people = recalled_people(store, info, earlier)
        before = judge_run(info, store.results(info.id), earlier, pairs, people)
        cases = [case for suite in suites for case in suite.cases]
        with open_judges(settings, cases, preferring=bool(pairs)) as judges:
            tags = variant_tags(settings, info.variants)
            again = list(rescore(info.id, suites, store, judges=judges, reasoning=tags))
            judged = standings(settings, cases, judges)
        today = replace(
            info,
            suites=tuple(
                replace(suite, judged=judged.get(suite.name, ())) for suite in info.suites
            ),
        )
        after = judge_run(today, (rescored.after for rescored in again), earlier, pairs, people)
    after = replace(after, warnings=(*after.warnings, *warnings))
    old = {(row.suite, row.variant): row.verdict for row in before.suites}
    verdicts = []
    for row in after.suites:
        was = old.get((row.suite, row.variant))
        if was is not row.verdict:
            change = f"{was or 'no verdict'} → {row.verdict or 'no verdict'}"
            verdicts.append(f"{row.suite}, {row.variant}: {change}")
    scorecard = build_scorecard(today, after)
    cards = scorecard.candidates()
    return RescoreReport(
        info=info,
        total=len(again),
        changed=tuple(rescored for rescored in again if rescored.changed),
        verdicts=tuple(verdicts),
        summary=(
            *(f"{label(card.verdict).upper()}: {card.summary}" for card in cards),
            *(f"warning: {text}" for text in scorecard.gate.warnings),
        ),
        verdict=after.verdict,
        exit_code=exit_code(after.verdicts),
    )


def suite_files(info: RunInfo, settings: Settings) -> list[str]:
    """Find the suites of a run where they were: in the project, or the working directory.

    Raises InputError for those that are gone.
    """
    found, problems = [], []
    for suite in info.suites:
        places = settings.path(suite.path), Path(suite.path)
        path = next((place for place in places if place.is_file()), None)
        if path is not None:
            found.append(str(path))
            continue
        problems.append(
            Problem(
                f"suite {suite.name} of run {info.id} is not there any more",
                path=suite.path,
                hint=f"name the files where the suites are now: harness rescore {info.id} FILE",
            )
        )
    if problems:
        raise InputError(*problems)
    return found
