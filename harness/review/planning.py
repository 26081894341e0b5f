"""Which answers of a run are worth a person's time, and what a person is shown of them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations

from harness.common import InputError, Problem, digest, first_of, listed, nearest
from harness.results import (
    OVERALL,
    TIE,
    Outcome,
    Result,
    RunInfo,
    Verdict,
    answer_digest,
)
from harness.review.values import Asked, By, ReviewItem, ReviewOptions, ShownAnswer
from harness.suites import Case

Results = Callable[[], Iterable[Result]]
CaseKey = tuple[str, str]  # suite, case
NEAR = 0.1  # of a score from the line between passing and failing
SAMPLE = 20  # cases that are drawn where nothing is uncertain
LONGEST = 20_000  # characters of one text that are shown
# Why a case is uncertain, in the order in which they are shown.
REPEATS = "its repeats do not agree"
NEAR_BAR = "a score is near its bar"
VARIANTS = "the variants do not agree"
INCONCLUSIVE = "its suite is inconclusive"
DRAWN = "drawn at random"
NAMED = "named"
_BY_SCORES = "--by scores judges each answer by itself"
_NOTHING: Mapping[By, tuple[str, str]] = {  # what was found where nothing is to be judged; a hint
    "pairs": ("every pair of answers is the same text, or one of it is missing", _BY_SCORES),
    "scores": ("no case has an answer", "name other cases or suites, or none for all"),
}


def plan_review(
    info: RunInfo,
    results: Results,
    options: ReviewOptions,
    *,
    cases: Mapping[str, Case],
    verdicts: Iterable[tuple[str, Verdict]] = (),
) -> tuple[ReviewItem, ...]:
    """Return what is to be judged, in the order in which it is shown.

    results: gives those of the run, with the baseline's from elsewhere, from the start each time.
    cases: those of today's suite files by id, for their rubrics. verdicts: those that the run's
    suites got. Raises InputError for names that the run does not have, for two variants asked of a
    run with one, and where no answer is left to be judged.
    """
    named, by = _taking_part(info, options)
    wanted = _selected(info, results, options, named, verdicts)
    texts: defaultdict[CaseKey, list[Result]] = defaultdict(list)
    for result in results():
        key = (result.suite, result.case)
        if key in wanted and result.variant in named and result.responses:
            texts[key].append(result)
    if wanted and not texts:
        raise InputError(
            Problem(
                f"run {info.id} holds no answer of these cases",
                found=first_of([case for _, case in wanted]),
                hint="they broke, did not fit, or their answers were pruned: run them again",
            )
        )
    pairs = list(combinations(named, 2))
    if info.baseline in named:
        pairs = [(info.baseline, name) for name in named if name != info.baseline]
    items: dict[tuple[object, ...], ReviewItem] = {}
    draw = random.Random(options.seed)
    for key, why in wanted.items():
        found = texts.get(key, [])
        case = cases.get(key[1])
        sides: list[tuple[Result, ...]] = [(result,) for result in found]
        if by == "pairs":
            sides = [
                (one, other)
                for left, right in pairs
                for one in found
                for other in found
                if (one.variant, other.variant) == (left, right) and one.repeat == other.repeat
            ]
        made = [
            item
            for side in sides
            for turn, criteria in _turns(side, case, options, by)
            if (item := _item(side, turn, case, criteria, why)) is not None
        ]
        draw.shuffle(made)  # the order of the run would tell variants apart
        for item in made:
            items.setdefault((item.suite, item.case, item.turn, item.keys), item)
    if not items:
        nothing, hint = _NOTHING[by]
        message = f"run {info.id} has nothing to judge here"
        raise InputError(Problem(message, found=nothing, hint=hint))
    return tuple(items.values())


def _taking_part(info: RunInfo, options: ReviewOptions) -> tuple[tuple[str, ...], By]:
    """Return the variants that take part, in the order of the run, and what is judged of them.

    Raises InputError for names that the run does not have, and for pairs that cannot be made.
    """
    known = [variant.name for variant in info.variants]
    suites = [suite.name for suite in info.suites]
    problems = [
        Problem(
            f"run {info.id} has no {kind} {name!r}",
            expected=first_of(there),
            did_you_mean=nearest(name, there),
        )
        for kind, names, there in (
            ("variant", options.variants, known),
            ("suite", options.suites, suites),
        )
        for name in names
        if name not in there
    ]
    if problems:
        raise InputError(*problems)
    named = tuple(name for name in known if not options.variants or name in options.variants)
    by: By = options.by or ("pairs" if len(named) > 1 else "scores")
    if by == "scores":
        return named, by
    if len(known) < 2:
        message = f"run {info.id} has one variant: there is nothing to compare its answers with"
        raise InputError(Problem(message, found=first_of(named), hint=_BY_SCORES))
    if len(named) < 2:
        message = "a comparison needs two variants, and one is named"
        hint = "name two: --variant A --variant B; or none for all"
        expected = " and ".join(known)
        raise InputError(Problem(message, found=first_of(named), expected=expected, hint=hint))
    if TIE in named:
        message = f"a variant called {TIE!r} cannot be preferred"
        raise InputError(Problem(message, hint=_BY_SCORES))
    return named, by


def _selected(
    info: RunInfo,
    results: Results,
    options: ReviewOptions,
    named: Sequence[str],
    verdicts: Iterable[tuple[str, Verdict]],
) -> dict[CaseKey, str]:
    """Return the cases that are judged, each with the reason, in the order of showing."""
    outcomes: defaultdict[CaseKey, dict[str, set[Outcome]]] = defaultdict(dict)
    graded: defaultdict[tuple[str, str], list[tuple[CaseKey, float, bool]]] = defaultdict(list)
    for result in results():
        key = (result.suite, result.case)
        if (
            result.variant not in named
            or (options.suites and result.suite not in options.suites)
            or (options.cases and not any(fnmatchcase(result.case, p) for p in options.cases))
        ):
            continue
        outcomes[key].setdefault(result.variant, set()).add(result.outcome)
        for check in result.checks:
            if check.passed is not None:
                row = (key, check.score, check.passed)
                graded[result.suite, check.check].append(row)
    if not outcomes:
        raise InputError(
            Problem(
                f"run {info.id} has no such case",
                found=listed(options.cases or options.suites) or "no result at all",
                hint="--case takes an id or a pattern as in 'refund-*'; `harness show` lists them",
            )
        )
    every = sorted(outcomes)
    draw = random.Random(options.seed)
    if options.sample is not None:
        return dict.fromkeys(draw.sample(every, min(options.sample, len(every))), DRAWN)
    draw.shuffle(every)
    if options.cases:
        return dict.fromkeys(every, NAMED)
    near: set[CaseKey] = set()
    for rows in graded.values():
        passing = min((score for _, score, passed in rows if passed), default=None)
        failing = max((score for _, score, passed in rows if not passed), default=None)
        near.update(
            key
            for key, score, _ in rows
            if 0.0 < score < 1.0  # all or nothing is near no bar
            and any(
                edge is not None and abs(score - edge) <= NEAR + 1e-9 for edge in (passing, failing)
            )
        )
    judged = {Outcome.PASS, Outcome.FAIL}
    open_suites = {suite for suite, verdict in verdicts if verdict is Verdict.INCONCLUSIVE}
    reasons: dict[str, Callable[[CaseKey], bool]] = {
        REPEATS: lambda key: any(judged <= seen for seen in outcomes[key].values()),
        NEAR_BAR: lambda key: key in near,
        VARIANTS: lambda key: judged <= set().union(*outcomes[key].values()),
        INCONCLUSIVE: lambda key: key[0] in open_suites,
    }
    found: dict[CaseKey, str] = {}
    for why, holds in reasons.items():
        found |= {key: why for key in every if key not in found and holds(key)}
    return found or dict.fromkeys(every[:SAMPLE], DRAWN)


def _turns(
    side: Sequence[Result], case: Case | None, options: ReviewOptions, by: By
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the turns that are judged, each with its criteria.

    Scores: the turns that the suite has a judge for, by its rubrics; else the last one. Pairs: the
    last one, as whole conversations are compared.
    """
    last = min(len(result.responses) for result in side) - 1
    rubrics: dict[int, tuple[str, ...]] = {}
    for number, turn in enumerate(case.turns if case and by == "scores" else ()):
        said = (check.args for check in turn.checks if check.name == "judge")
        if texts := tuple(dict.fromkeys(str(args.rubric).strip() for args in said)):  # type: ignore[attr-defined]  # of the check that judges
            rubrics[number] = texts
    if by == "pairs":
        yield last, ()
    elif options.criteria or not rubrics:
        yield last, options.criteria or (OVERALL,)
    else:
        yield from ((turn, texts) for turn, texts in rubrics.items() if turn <= last)


def _item(
    side: Sequence[Result], turn: int, case: Case | None, criteria: tuple[str, ...], why: str
) -> ReviewItem | None:
    """Return what is shown of one answer or two; None for two that are the same."""
    first = side[0]
    digests = {answer_digest(result, turn) for result in side}
    if len(digests) < len(side):
        return None
    systems = {str(m["content"]) for result in side for m in result.prompt if m["role"] == "system"}
    head: list[Asked] = []
    if case is not None and case.system and systems == {case.system}:  # an override tells variants
        head.append(("system", shortened(case.system)))
    said = [conversation(result, turn, case) for result in side]
    same = 0
    shortest = min(map(len, said)) - 1  # the answers themselves stand apart
    while same < shortest and len({each[same] for each in said}) == 1:
        same += 1
    answers = sorted(
        (
            ShownAnswer(result.variant, result.repeat, answer_digest(result, turn), each[same:])
            for result, each in zip(side, said, strict=True)
        ),
        key=lambda answer: answer.digest,
    )
    return ReviewItem(
        id=digest([first.suite, first.case, turn, sorted(digests)], 16),
        suite=first.suite,
        case=first.case,
        turn=turn,
        asked=(*head, *said[0][:same]),
        answers=tuple(answers),
        criteria=criteria,
        rubric=case.prefer.rubric if case and case.prefer and len(side) == 2 else "",
        why=why,
    )


def conversation(result: Result, turn: int, case: Case | None) -> tuple[Asked, ...]:
    """Return what was said up to the answer number `turn`, which is last; no system prompt.

    Answers stand as people read them: without reasoning, calls of tools on lines of their own.
    """
    rows = [row for row in result.prompt if row["role"] != "system"]
    users = [place for place, row in enumerate(rows) if row["role"] == "user"]
    asked = case.asked(users) if case else tuple(users)
    found: list[Asked] = []
    before = -1
    for number, place in enumerate(asked[: turn + 1]):
        between = rows[before + 1 : place]
        # After an answer come its own rows; a script between two turns begins with a user.
        script = next((at for at, row in enumerate(between) if row["role"] == "user"), len(between))
        for row in between[script if number else 0 :]:
            found.append((str(row["role"]), shortened(str(row["content"]))))
        scripted = case.turns[number].user if case and not case.haystack else None
        text = scripted if isinstance(scripted, str) else str(rows[place]["content"])
        found.append(("user", shortened(text)))
        found.append(("assistant", shortened(result.said[number])))
        before = place
    if not asked:
        found.append(("assistant", shortened(result.said[turn])))
    return tuple(found)


def shortened(text: str) -> str:
    """Return a text of at most `LONGEST` characters, with how many were left out of its middle."""
    left = len(text) - LONGEST
    if left <= 0:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n[… {left:,} characters are not shown …]\n{text[-half:]}"
