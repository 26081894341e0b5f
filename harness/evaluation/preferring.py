"""Two answers against each other: a judge compares a candidate's with the baseline's, both orders.

It goes on after the answers of a run, from its results: what is asked is stored and reused like any
other reply, under a key that holds both answers, the rubric and the judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.backends import Completion, Request
from harness.common import InputError, JsonValue, Problem, Variant, VariantRole
from harness.evaluation.baseline import StoredVariant
from harness.evaluation.completions import CompletionSource, Limits
from harness.evaluation.executor import Counts
from harness.evaluation.judges import JudgeRequests, asked_of, no_reply, unreadable
from harness.evaluation.plan import Plan
from harness.evaluation.trial import Trial
from harness.results import Finished, Observer, PairJudgement, Planned, Result, RunInfo
from harness.scorers import (
    Choice,
    Question,
    Tag,
    UnreadableError,
    preference_question,
    read_preference,
    strip_reasoning,
)
from harness.store import Store, read_entry, write_entry
from harness.suites import Case


def check_preferences(
    cases: Iterable[Case], *, gated: bool, baseline: bool, earlier: StoredVariant | None
) -> None:
    """Raise InputError where a case asks for a preference and no answers of a baseline are there.

    `gated`: the run has a candidate; without one nothing is compared.
    """
    asking = [case for case in cases if case.prefer]
    if not asking or not gated:
        return
    message, more = "", {}
    if earlier is None and not baseline:
        message = "prefer compares answers with a baseline's, and this run has no baseline"
        more["hint"] = (
            "name one: --baseline NAME (a variant of this run), --baseline RUN, or a FILE.json of "
            "`harness baseline save --with-answers`"
        )
    elif earlier is not None:
        names = {case.id for case in asking}
        found = [result for result in earlier.results() if result.case in names]
        if found and not any(result.responses for result in found):
            message = "prefer needs the answers of the baseline, and its file holds none"
            more["found"] = earlier.text
            more["hint"] = (
                f"save it again: harness baseline save {earlier.text} {earlier.info.id} "
                "--with-answers --force"
            )
    if message:
        places: dict[Any, list[Case]] = {}
        for case in asking:
            places.setdefault(case.prefer and case.prefer.position, []).append(case)
        raise InputError(
            *(
                Problem(
                    message,
                    place.path,
                    place.line,
                    place.column,
                    case=cases[0].id + (f" and {len(cases) - 1} more" if cases[1:] else ""),
                    **more,
                )
                for place, cases in places.items()
            )
        )


@dataclass(frozen=True, slots=True)
class _Pair:
    """A pair of answers with what is asked about it: the candidate first, then second."""

    row: PairJudgement
    requests: tuple[Request, Request]


def judge_preferences(
    plan: Plan,
    store: Store,
    info: RunInfo,
    earlier: StoredVariant | None,
    observer: Observer,
    limits: Limits,
) -> Counts:
    """Compare the stored answers of a run with its baseline's, and keep what was said.

    `recalled_preferences` gives the pairs. A judge that breaks leaves its pairs as errors.
    """
    trials = [*plan.trials, *(skip.trial for skip in plan.skipped)]
    cases = {trial.case.id: trial.case for trial in trials if trial.case.prefer}
    variants = {trial.variant.name: trial.variant for trial in trials}
    names = [n for n, one in variants.items() if one.role is VariantRole.CANDIDATE]
    if not cases or not names or info.baseline is None:
        return Counts()
    others: dict[tuple[str, int], Result] = {}
    source = store.results(info.id) if earlier is None else earlier.results()
    wanted = info.baseline if earlier is None else earlier.name
    for result in source:
        if result.variant == wanted and result.case in cases:
            others[result.case, result.repeat] = result
    requests = JudgeRequests(plan.judges)
    rows: list[PairJudgement] = []
    pairs: list[tuple[int, _Pair]] = []
    for mine in store.results(info.id):
        if mine.variant not in names or mine.case not in cases:
            continue
        case = cases[mine.case]
        found = _asked(
            case,
            mine,
            others.get((mine.case, mine.repeat)),
            variants,
            requests,
            plan,
        )
        if isinstance(found, _Pair):
            pairs.append((len(rows), found))
            found = found.row
        rows.append(found)
    observer(Planned(len(pairs), 2 * len(pairs)))
    counts = Counts()
    for name, judge in plan.judges.items():
        asked = [
            (at, each)
            for at, each in pairs
            if (prefer := cases[each.row.case].prefer) and prefer.backend == name
        ]
        if not asked:
            continue
        replies = CompletionSource(judge.backend, store, observer, limits)
        said = replies.all_of([request for _, each in asked for request in each.requests])
        broke = replies.broken.problems[0].message if replies.broken else ""
        for at, each in asked:
            rows[at] = _decided(each, said, broke)
        counts += Counts(replies.generated, replies.cached, replies.tokens, replies.broken)
    observer(Finished(counts.generated, counts.cached))
    entry: list[JsonValue] = [asdict(row) for row in rows]
    write_entry(store, preference_key(info.id), entry)
    return counts


def recalled_preferences(store: Store, run_id: str) -> tuple[PairJudgement, ...]:
    """Return the pairs that were judged with this run; empty where none were."""
    rows: Any = read_entry(store, preference_key(run_id)) or []
    return tuple(PairJudgement(**row) for row in rows)


def preference_key(run_id: str) -> str:
    """Return the key of a run's preferences in the journal."""
    return f"prefer/{run_id}"


def _asked(
    case: Case,
    mine: Result,
    other: Result | None,
    variants: Mapping[str, Variant],
    requests: JudgeRequests,
    plan: Plan,
) -> PairJudgement | _Pair:
    """Return what is asked about a pair; what needs no asking is decided."""
    assert case.prefer is not None
    row = PairJudgement(mine.suite, mine.case, mine.variant, mine.repeat, mine.cluster)
    if other is None:
        return replace(row, left_out="the baseline has no such answer")
    if min(len(mine.responses), len(other.responses)) < len(case.turns):
        return replace(row, left_out="an answer is missing")
    if (mine.case_hash, mine.signature) != (other.case_hash, other.signature):
        return replace(row, left_out="the two were not asked the same in the same environment")
    tags = [plan.reasoning_of(case, result.variant).tags for result in (mine, other)]
    questions = pair_questions(case, mine, other, tags)
    if questions is None:
        return replace(row, value=0, identical=True)
    trial = Trial(case, variants[mine.variant], mine.repeat)
    first = len(asked_of(case))  # replies to the checks of a case come before
    made = []
    for place, question in enumerate(questions):
        request = requests.request(trial, question, first + place)
        if isinstance(request, str):
            return replace(row, error=request)
        made.append(request)
    return _Pair(row, (made[0], made[1]))


def pair_questions(
    case: Case, mine: Result, other: Result, tags: Sequence[Sequence[Tag]]
) -> tuple[Question, Question] | None:
    """Return what is asked about two answers: the first as A, then as B; None for equal ones.

    tags: the marks of the reasoning of each, which is shown to no judge.
    """
    assert case.prefer is not None
    texts = shown_answers((mine, other), tags)
    if texts[0] == texts[1]:
        return None
    users = [str(message["content"]) for message in mine.prompt if message["role"] == "user"]
    asked = case.asked(users)
    numbered = [f"[turn {n}]\n{text}" for n, text in enumerate(asked, start=1)]
    task = asked[0] if len(asked) == 1 else "\n\n".join(numbered)
    said = {"system": case.system or "", "reference": case.prefer.reference}
    return both_orders(task, texts, case.prefer.rubric, case.prefer.backend, **said)


def both_orders(
    task: str, answers: tuple[str, str], rubric: str, backend: str, **said: str
) -> tuple[Question, Question]:
    """Return the question about two answers in both orders, as a judge leans to a place."""
    first, second = (
        preference_question(task, order, rubric, backend=backend, **said)
        for order in (answers, answers[::-1])
    )
    return first, second


def shown_answers(results: tuple[Result, Result], tags: Sequence[Sequence[Tag]]) -> tuple[str, str]:
    """Return two answers as a judge sees them: of a conversation all, without their reasoning."""
    texts = []
    for result, marks in zip(results, tags, strict=True):
        plain = [strip_reasoning(text, marks).strip() for text in result.responses]
        numbered = [f"[answer to turn {n}]\n{text}" for n, text in enumerate(plain, start=1)]
        texts.append(plain[0] if len(plain) == 1 else "\n\n".join(numbered))
    return texts[0], texts[1]


def _decided(pair: _Pair, said: Mapping[str, Completion], broke: str) -> PairJudgement:
    """Read both replies; two orders that disagree are neither a win nor a loss."""
    choices: list[Choice] = []
    why = ""
    for request in pair.requests:
        reply = said.get(request.key)
        if reply is None:
            return replace(pair.row, error=broke or "the judge gave no reply")
        if missing := no_reply(reply):
            return replace(pair.row, error=missing)
        try:
            choice, reasons = read_preference(reply.text)
        except UnreadableError as error:
            return replace(pair.row, error=unreadable(error))
        why = why if choices else reasons  # of the first reply, in which the candidate is A
        choices.append(choice)
    first = {"A": 1, "B": -1, "TIE": 0}[choices[0]]  # the candidate is A
    second = {"A": -1, "B": 1, "TIE": 0}[choices[1]]  # the candidate is B
    slot = {("A", "A"): "first", ("B", "B"): "second"}.get((choices[0], choices[1]), "")
    agreed = first == second
    return replace(pair.row, value=first if agreed else 0, flipped=not agreed, slot=slot, why=why)
