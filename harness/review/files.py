"""A review as JSON lines: written to be filled in elsewhere, with names hidden, and read again.

The first line says what the file is; each further one is an item with empty places for what is
said. An answer is known by its digest, which says nothing of who gave it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.common import InputError, Problem, listed, nearest, plural
from harness.common.files import whole_file
from harness.common.reading import JsonLine, first_problems, fitting, read_json_lines
from harness.results import (
    HIGHEST,
    LOWEST,
    TIE,
    AnswerKey,
    HumanJudgement,
    JudgedAnswer,
    Result,
    new_id,
    now,
    places_of,
    standing,
)
from harness.review.session import SIDES
from harness.review.values import LONGEST_NOTE, ReviewItem, check_rater, in_order
from harness.store import Store, add_judgements, read_judgements

FORMAT, VERSION = "harness review", 1
_LINE = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
HINT = "harness review RUN --export FILE writes such a file"


@dataclass(frozen=True, slots=True)
class ReviewImport:
    """What a file added, what was in the store already, and how many of its places are empty."""

    rater: str
    added: int
    known: int
    empty: int


@dataclass(frozen=True, slots=True)
class _Header:
    format: str
    version: int
    criteria: tuple[str, ...]
    rater: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    digest: str


@dataclass(frozen=True, slots=True)
class _FileRow:
    suite: str
    case: str
    turn: Annotated[int, Field(ge=0)]
    answers: dict[str, _Answer]
    scores: dict[str, Any] | None = None
    preferred: Any = None
    note: str = ""


def write_review(
    path: Path, run: str, items: Sequence[ReviewItem], store: Store, rater: str, seed: int
) -> int:
    """Write the items for a rater, with what that rater has said so far; return how many.

    Raises InputError for a file that is there already.
    """
    if path.exists():
        hint = "name a new file: what was filled in is not written over"
        raise InputError(Problem("there is a file already", str(path), hint=hint))
    said = read_judgements(store, {item.suite for item in items}, rater) if rater else ()
    rows = standing(said)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "run": run,
        "rater": rater,
        "criteria": list(dict.fromkeys(c for item in items for c in item.criteria)),
        "fill_in": f"scores from {LOWEST} to {HIGHEST}, or preferred: A, B or {TIE}; note as you "
        "like; leave null what you cannot say",
    }
    with whole_file(path) as file:
        file.write(f"{_LINE.encode(header)}\n")
        for item, answers in zip(items, in_order(items, rater, seed), strict=True):
            mine = [row for row in rows if item.is_about(row)]
            scores = {row.criterion: row.score for row in mine}
            better = mine[-1].better if mine else None
            sides = {each.digest: side for side, each in zip(SIDES, answers, strict=False)}
            asks: dict[str, Any] = {"scores": {name: scores.get(name) for name in item.criteria}}
            if item.by == "pairs":
                choice = (sides[better] if better else TIE) if mine else None
                asks = {"preferred": choice, **({"rubric": item.rubric} if item.rubric else {})}
            row = {
                "suite": item.suite,
                "case": item.case,
                "turn": item.turn,
                "asked": [{"role": role, "text": text} for role, text in item.asked],
                "answers": {
                    side: {
                        "digest": each.digest,
                        "said": [{"role": role, "text": text} for role, text in each.conversation],
                    }
                    for side, each in zip(SIDES, answers, strict=False)
                },
                **asks,
                "note": mine[-1].note if mine else "",
            }
            file.write(f"{_LINE.encode(row)}\n")
    return len(items)


def read_review(
    path: Path, store: Store, results: Callable[[], Iterable[Result]], rater: str = ""
) -> ReviewImport:
    """Add what was filled in to the store: all of a file or, where a line is wrong, nothing.

    results: those of the run, from the start each time. A judgement that stands already is not
    added again. Raises InputError with the line of everything that is wrong.
    """
    lines = read_json_lines(path, "the review", hint=HINT)
    first = next(lines, None)
    if not isinstance(first, JsonLine):
        raise InputError(first or Problem("the file is empty", str(path), hint=HINT))
    header = _read_header(first, str(path))
    if rater and header.rater and rater != header.rater:
        raise InputError(
            Problem(
                "the file is another rater's",
                str(path),
                first.number,
                found=header.rater,
                expected=rater,
                hint=f"leave --rater out, or say --rater {header.rater!r}",
            )
        )
    if not (rater or header.rater):
        hint = "--rater NAME says who judged, or write it into the first line"
        raise InputError(Problem("nobody says who judged", str(path), first.number, hint=hint))
    who = check_rater(rater or header.rater)
    found: list[tuple[int, HumanJudgement]] = []
    problems: list[Problem] = []
    empty = 0
    for line in lines:
        if isinstance(line, Problem):
            problems.append(line)
            continue
        try:
            filled = _read_row(line, str(path), header.criteria, who)
        except InputError as error:
            problems += error.problems
            continue
        found += [(line.number, row) for row in filled]
        empty += not filled
    places = places_of((row for _, row in found), results())
    judged = []
    for number, row in found:
        lost = [side for side, key in zip(SIDES, row.keys, strict=False) if key not in places]
        if lost:
            problems.append(_gone(row, str(path), number, lost, header.run))
        else:
            judged.append(_named(row, places))
    if problems:
        raise InputError(*first_problems(problems, str(path)))
    said = read_judgements(store, {row.suite for row in judged}, who)
    stands = {row.about: row for row in standing(said)}
    new = []
    for row in judged:
        old = stands.get(row.about)
        if old is None or (old.score, old.better, old.note) != (row.score, row.better, row.note):
            new.append(row)
    add_judgements(store, new)
    return ReviewImport(who, len(new), len(judged) - len(new), empty)


def _read_header(line: JsonLine, path: str) -> _Header:
    value = line.value
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        problem = Problem(
            "this file is no review",
            path,
            line.number,
            expected=f'a first line with "format": "{FORMAT}"',
            hint=HINT,
        )
        raise InputError(problem)
    if isinstance(value.get("version"), int) and value["version"] > VERSION:
        raise InputError(
            Problem(
                "the review was written by a newer harness",
                path,
                line.number,
                found=f"version {value['version']}",
                expected=f"version {VERSION}",
                hint="upgrade the harness, or export the review with this one",
            )
        )
    return fitting(_Header, value, path, line=line.number, what="the first line", hint=HINT)


def _read_row(
    line: JsonLine, path: str, criteria: Sequence[str], rater: str
) -> list[HumanJudgement]:
    """Return what one line says, with A and B in the places of names; nothing where it is empty."""
    row = fitting(_FileRow, line.value, path, line=line.number, what="this row is no item")

    def wrong(message: str, found: object, expected: str, meant: str = "") -> InputError:
        return InputError(
            Problem(
                message,
                path,
                line.number,
                case=row.case,
                found=listed(found),
                expected=expected,
                did_you_mean=meant,
            )
        )

    sides = list(SIDES[: len(row.answers)])
    if not sides or sorted(row.answers) != sides:
        raise wrong("answers are called A, or A and B", sorted(row.answers), "A, or A and B")
    if len(row.note) > LONGEST_NOTE:
        limit = f"{LONGEST_NOTE:,} characters or fewer"
        raise wrong("the note is too long", f"{len(row.note):,} characters", limit)
    judgement = HumanJudgement(
        id="",
        suite=row.suite,
        case=row.case,
        turn=row.turn,
        repeat=0,
        answers=tuple(JudgedAnswer(side, row.answers[side].digest) for side in sides),
        rater=rater,
        time=now(),
        note=row.note,
    )
    found = []
    if row.preferred is not None:
        if len(sides) < 2:
            raise wrong("one answer is not preferred to another", row.preferred, "scores")
        if row.preferred not in (*SIDES, TIE):
            raise wrong("no side is called so", row.preferred, f"A, B, {TIE} or null")
        found.append(replace(judgement, id=new_id(), preferred=row.preferred))
    for name, score in (row.scores or {}).items():
        if score is None:
            continue
        if len(sides) > 1:
            raise wrong("two answers have no score", score, f"preferred: A, B or {TIE}")
        if name not in criteria:
            raise wrong(
                f"there is no criterion {name!r} here",
                name,
                listed(list(criteria)),
                nearest(name, criteria),
            )
        whole = isinstance(score, int) and not isinstance(score, bool)
        if not whole or not LOWEST <= score <= HIGHEST:
            raise wrong(
                f"no score of {name!r}",
                score,
                f"a whole number from {LOWEST} to {HIGHEST}, or null",
            )
        found.append(replace(judgement, id=new_id(), criterion=name, score=score))
    return found


def _gone(row: HumanJudgement, path: str, line: int, lost: Sequence[str], exported: str) -> Problem:
    told = f"; it was exported from run {exported}" if exported else ""
    which = plural(len(lost), "answer") if len(lost) > 1 else f"answer {lost[0]}"
    return Problem(
        f"the run did not give {which}",
        path,
        line,
        case=row.case,
        found="no such answer to this question" + told,
        hint="name the run that it was exported from; if its answers were pruned, run the suite "
        "again: the same answers are known again",
    )


def _named(row: HumanJudgement, places: dict[AnswerKey, list[tuple[str, int]]]) -> HumanJudgement:
    """Put the names of variants in the places of A and B; of two from one repeat, if there are."""
    given = [places[key] for key in row.keys]
    repeats = set.intersection(*({repeat for _, repeat in each} for each in given))
    repeat = min(repeats) if repeats else given[0][0][1]
    names: list[str] = []
    for each in given:
        fitting_names = [name for name, at in each if at == repeat] or [each[0][0]]
        names.append(next((n for n in fitting_names if n not in names), fitting_names[0]))
    side_names = dict(zip(SIDES, names, strict=False))
    return replace(
        row,
        repeat=repeat,
        answers=tuple(
            JudgedAnswer(name, each.digest) for name, each in zip(names, row.answers, strict=True)
        ),
        preferred=side_names.get(row.preferred or "", row.preferred),  # tie and none stay
    )
