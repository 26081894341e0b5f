"""Pairs of a good and a bad answer: out of files, and out of answers that a suite's checks sort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.common import (
    InputError,
    PairSettings,
    Problem,
    Sampling,
    from_dicts,
)
from harness.results import Observer, Outcome, Result, ignore
from harness.suites import Case, Suite
from harness.training.pairing import alike_in_length, pair_answers
from harness.training.rows import PreferenceReading, RowFile, read_preferences
from harness.training.sources.teacher import Teacher, ask
from harness.training.sources.values import Harvest
from harness.training.values import LabelledAnswer


def read_pair_pools(files: Sequence[RowFile], settings: PairSettings) -> Iterator[Harvest]:
    """Yield the pairs of each file that are alike in length; rated answers become pairs as well.

    Raise InputError for all rows that are wrong, in all files.
    """
    found: list[PreferenceReading] = []
    problems: list[Problem] = []
    for file in files:
        try:
            found.append(read_preferences([file]))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    for file, read in zip(files, found, strict=True):
        made = paired(f"pool {file.path.as_posix()}", read.answers, settings)
        given = alike_in_length(read.pairs, settings)
        yield replace(
            made,
            offered=len(read.pairs) + made.offered,
            pairs=(*given.pairs, *made.pairs),
            left_out={**made.left_out, **given.left_out},
        )


def sampled_answers(
    teacher: Teacher,
    suite: Suite,
    cases: Sequence[Case],
    settings: PairSettings,
    *,
    observer: Observer = ignore,
) -> tuple[LabelledAnswer, ...]:
    """Ask for several answers to each of these cases; the suite's checks say which are good.

    Raise MachineryError where the engine breaks.
    """
    drawn = Sampling(temperature=settings.temperature, top_p=1.0, top_k=0)
    asked = tuple(
        replace(case, repeats=settings.samples, sampling=case.sampling.override(drawn))
        for case in cases
    )
    report = ask(teacher, suite, asked, observer)
    source = f"{teacher.label}, {suite.path}"
    return tuple(
        LabelledAnswer(
            from_dicts(result.prompt),
            result.responses[-1],
            result.outcome is Outcome.PASS,
            f"{source} {result.case}",
            group=result.case,
        )
        for result in report.results()
        if learnable(result)
    )


def learnable(result: Result) -> bool:
    """Return whether an answer can be put behind its prompt as it was given, and came to its end.

    Calls of tools and reasoning that stands apart are written by other rules than plain text; of an
    answer that was cut off, nobody knows the end.
    """
    scored = result.outcome in (Outcome.PASS, Outcome.FAIL)
    plain = not any(step.tool_calls for step in result.steps) and not any(result.reasoning)
    said = bool(result.responses) and bool(result.responses[-1].strip())
    return scored and plain and said and result.finish_reason == "stop"


def paired(source: str, answers: Sequence[LabelledAnswer], settings: PairSettings) -> Harvest:
    """Return the pairs that these answers make; `left_out` says why others are in none."""
    made = pair_answers(answers, settings)
    return Harvest(source, len(answers), (), made.left_out, pairs=made.pairs)
