"""One case through all runs and variants: two answers side by side, and what they were asked."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import regex
from starlette.requests import Request
from starlette.responses import Response

from harness.backends import Models, models_of
from harness.common import HarnessError, InputError, Problem, from_dicts, nearest, visible
from harness.config import Settings
from harness.prompts import load_tokenizer
from harness.results import Outcome, Result, RunInfo
from harness.store import (
    CaseFilter,
    PlacedResult,
    Store,
    cases_of,
    existing_store,
    neighbours,
    results_at,
    results_of_case,
)
from harness.suites import Case, load_suite
from harness.viewer.pages import PACKAGE, Pager, page, page_number
from harness.viewer.runs import SIGNS, known_run

ANSWERS = 60  # in the list of a page
MOST_WORDS = 2_000  # of one answer: comparing more of them takes seconds
ALIKE = 0.2  # two answers with less in common have too little for marks to say anything
_WORDS = regex.compile(r"\p{Han}|[\p{L}\p{M}\p{N}_]+\s*|\s+|[^\p{L}\p{M}\p{N}_\s]")

Marked = list[tuple[str, bool]]  # pieces of a text, and whether the other side lacks them


def differences(left: str, right: str) -> tuple[Marked, Marked] | None:
    """Return both texts in pieces, with what differs marked by words.

    None where they are too long to be compared, or have so little in common that marks say nothing.
    """
    a, b = _WORDS.findall(left), _WORDS.findall(right)
    if max(len(a), len(b)) > MOST_WORDS:
        return None
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < ALIKE:
        return None
    sides: tuple[Marked, Marked] = ([], [])
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        for side, text in ((sides[0], "".join(a[a1:a2])), (sides[1], "".join(b[b1:b2]))):
            if text:
                side.append((text, kind != "equal"))
    return sides


@dataclass(frozen=True, slots=True)
class MarkedAnswer:
    """One answer on one side, to one turn: in pieces, marked where it differs."""

    pieces: Marked
    thought: str


@dataclass(frozen=True, slots=True)
class Side:
    """One result that is looked at; `same` of another one, None for the only one."""

    placed: PlacedResult
    name: str
    turns: tuple[MarkedAnswer, ...]

    @property
    def result(self) -> Result:
        """Return the result itself."""
        return self.placed.result


def sides_of(shown: Sequence[PlacedResult]) -> tuple[tuple[Side, ...], str]:
    """Return one or two results as sides, and a sentence on how they differ."""
    said = [each.result.said for each in shown]
    thought = [each.result.thought for each in shown]
    turns = max((len(texts) for texts in said), default=0)
    marked: list[list[MarkedAnswer]] = [[] for _ in shown]
    unlike = False
    for turn in range(turns):
        texts = [its[turn] if turn < len(its) else "" for its in said]
        pieces: Sequence[Marked] = [[(text, False)] if text else [] for text in texts]
        if len(texts) == 2 and texts[0] != texts[1]:
            found = differences(*texts)
            pieces, unlike = found or pieces, unlike or found is None
        for side, mine, why in zip(marked, pieces, thought, strict=True):
            side.append(MarkedAnswer(mine, why[turn] if turn < len(why) else ""))
    told = ""
    if len(shown) == 2:
        told = "underlined: what differs"
        if said[0] == said[1]:
            told = "the same answer on both sides"
        elif unlike:
            told = "too different, or too long, to mark every word"
    names = [f"{each.result.variant}, run {each.run}" for each in shown]
    sides = zip(shown, names, marked, strict=True)
    return tuple(Side(each, name, tuple(turns)) for each, name, turns in sides), told


def case_page(settings: Settings, request: Request) -> Response:
    """Show one case: the question, two answers side by side, and all others to choose from."""
    query = request.query_params
    suite, case, run = (query.get(name, "") for name in ("suite", "case", "run"))
    number = page_number(request)
    with existing_store(settings.path(settings.store), read_only=True) as store:
        after = (number - 1) * ANSWERS
        rows, total = results_of_case(store, suite, case, most=ANSWERS, after=after)
        if not total:
            raise InputError(_unknown_case(store, suite, case))
        named = [_named(store, suite, case, query.get(name, "")) for name in ("left", "right")]
        chosen = [each for each in named if each is not None]
        if len(chosen) < 2:
            mine = results_of_case(store, suite, case, most=ANSWERS, run_id=run or rows[0].run)[0]
            baseline = known_run(store, (mine or rows)[0].run).baseline
            chosen = _chosen(chosen, mine or rows, rows, baseline, query.get("variant", ""))
        before, behind = neighbours(store, run, suite, case) if run else (None, None)
        sides, told = sides_of(chosen)
        infos = {each.run: known_run(store, each.run) for each in (*rows, *chosen)}
    newest = chosen[-1].result
    return page(
        request,
        f"{case} in {suite}",
        PACKAGE,
        "case.html.jinja",
        suite=suite,
        case=case,
        run=run,
        newest=newest,
        prompt=[m for m in newest.prompt if m["role"] not in ("assistant", "tool")],
        sides=sides,
        told=told,
        rows=rows,
        infos=infos,
        places=[f"{each.position}@{each.run}" for each in chosen],
        before=before,
        behind=behind,
        signs=SIGNS,
        pager=Pager(number, ANSWERS, total),
    )


def _named(store: Store, suite: str, case: str, text: str) -> PlacedResult | None:
    """Return the result of this case that "12@RUN" or "RUN:VARIANT" means, if there is one."""
    position, at, run = text.partition("@")
    if at and position.isdecimal() and len(position) < 10:
        found = results_at(store, [(run, int(position))])
    else:
        run, _, variant = text.partition(":")
        mine = results_of_case(store, suite, case, most=ANSWERS, run_id=run)[0] if variant else []
        found = [each for each in mine if each.result.variant == variant]
        found.sort(key=lambda each: each.result.outcome is Outcome.PASS)  # what failed first
    mine = [each for each in found if (each.result.suite, each.result.case) == (suite, case)]
    return next(iter(mine), None)


def _chosen(
    given: Sequence[PlacedResult],
    mine: Sequence[PlacedResult],
    rows: Sequence[PlacedResult],
    baseline: str | None,
    variant: str,
) -> list[PlacedResult]:
    """Return what is shown first, of the results of a run: a candidate beside the baseline.

    `given` was asked for; `rows` are all results, where the run has one alone.
    """
    others = [each for each in mine if each.result.variant != baseline]
    failing = [each for each in others if each.result.outcome is not Outcome.PASS]
    named = [each for each in mine if each.result.variant == variant]
    right = (*given, *named, *failing, *others, *mine)[0]
    base = [each for each in mine if each.result.variant == baseline]
    left = next((each for each in (*base, *mine, *rows) if each != right), None)
    return [left, right] if left else [right]


def _unknown_case(store: Store, suite: str, case: str) -> Problem:
    latest = store.latest()
    suites = [each.name for each in latest.suites] if latest else []
    close = ""
    if latest and suite in suites:
        wanted = CaseFilter(suite=suite)
        known = [each.case for each in cases_of(store, latest.id, wanted, most=1000)[0]]
        close = nearest(case, known)
    elif suites:
        close = nearest(suite, suites)
    return Problem(
        f"no run has case {case!r} of suite {suite!r}",
        path=str(store.path),
        did_you_mean=close,
        hint="what was pruned is gone; a run's page lists its cases",
    )


@dataclass(frozen=True, slots=True)
class Rendered:
    """A prompt as the engine got it; `text` is None where nobody can tell, and `reason` why.

    `notes` say what was found out on the way: whether the tokens are as many as were counted.
    """

    text: str | None
    reason: str = ""
    notes: tuple[str, ...] = ()


def prompt_page(settings: Settings, request: Request) -> Response:
    """Show the prompt of one result: its messages, and the text that the chat template made."""
    place = request.query_params.get("run", ""), request.query_params.get("position", "")
    with existing_store(settings.path(settings.store), read_only=True) as store:
        info = known_run(store, place[0])
        at = int(place[1]) if place[1].isdecimal() and len(place[1]) < 10 else -1
        found = results_at(store, [(info.id, at)])
        if not found:
            expected = "the position of a result, from 0"
            message = f"run {info.id} has no result at {place[1]!r}"
            raise InputError(Problem(message, expected=expected, hint="see the page of a case"))
    result = found[0].result
    return page(
        request,
        f"Prompt of {result.case}",
        PACKAGE,
        "prompt.html.jinja",
        info=info,
        result=result,
        rendered=rendered(settings, info, result),
        position=at,
    )


def rendered(settings: Settings, info: RunInfo, result: Result) -> Rendered:
    """Render a prompt again, with the tokenizer and the template that are there now."""
    variant = next(each for each in info.answered if each.name == result.variant)
    if models_of(info.backend) is not Models.DIRECTORIES:
        return Rendered(None, f"backend {info.backend} takes messages: no prompt is rendered here")
    case, notes = _case_of(settings, info, result)
    if case is None and result.steps:
        return Rendered(None, "its tools are not known any more: they stand in the suite alone")
    arguments = {
        **variant.chat_template_defaults,
        **(case.template_args if case else {}),
        **variant.chat_template_args,
    }
    tools = case.tools if case else ()
    template = variant.chat_template
    model = settings.model_path(variant.model, info.backend)
    if not Path(model).is_dir():
        return Rendered(None, f"the model is not there any more: {model}", notes)
    messages = from_dicts(result.prompt)
    try:
        tokenizer = load_tokenizer(
            model,
            chat_template=settings.path(template) if template else None,
            cache_dir=settings.path(settings.store).parent,
        )
        text = tokenizer.text(messages, tools=tools, arguments=arguments)
        tokens = len(tokenizer.token_ids(messages, tools=tools, arguments=arguments))
    except HarnessError as error:
        return Rendered(None, visible(str(error)), notes)
    was = variant.environment.get("chat_template", "")
    if was and was != tokenizer.template_hash:
        told = "the chat template has changed since: this is how it is rendered now"
        notes = (*notes, told)
    if len(result.responses) == 1 and not result.steps:
        same = tokens == result.prompt_tokens
        told = "as many as the run counted" if same else f"the run counted {result.prompt_tokens:,}"
        notes = (*notes, f"{tokens:,} tokens, {told}")
    return Rendered(text, "", notes)


def _case_of(
    settings: Settings, info: RunInfo, result: Result
) -> tuple[Case | None, tuple[str, ...]]:
    """Return the case as the suite says it, where that is still what was asked."""
    path = next((each.path for each in info.suites if each.name == result.suite), "")
    try:
        cases = load_suite(settings.path(path), modules=settings.modules).cases
    except HarnessError:
        cases = ()
    case = next((each for each in cases if each.id == result.case), None)
    if case is None:
        return None, (f"{path} has no such case now: its own template arguments are not known",)
    if case.hash != result.case_hash:
        return None, (f"the case has changed in {path} since: its template arguments may have too",)
    return case, ()
