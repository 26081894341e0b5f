"""Baseline files: the results of one variant, small enough to be committed.

One JSON object: what the run was, and one row per case and repeat. Answers are in it only
where that was asked for. A digest over all of it tells an edited file from a whole one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.common import (
    InputError,
    JsonValue,
    Problem,
    nearest,
    plural,
    shown,
)
from harness.common.reading import first_problems, fitting
from harness.gate.pairs import Ledger, collect, renamed
from harness.gate.sealed import SealedFormat
from harness.results import (
    Outcome,
    Result,
    RunInfo,
    VariantInfo,
    run_to_json,
    signature_from_json,
    signature_to_json,
)

EARLY_STOP = "early stop"  # in RunInfo.execution of a run that could stop early
_FILE = SealedFormat(
    name="harness-baseline",
    version=1,
    what="the baseline",
    unlike="this is not a baseline file",
    made_by="harness baseline save",
    made="saved",
    again="save it again with this version of the harness",
    restore="save it again from the run, or restore the file",
)


@dataclass(frozen=True, slots=True)
class Baseline:
    """One variant's results, with the run that they come from."""

    info: RunInfo
    results: tuple[Result, ...]

    @property
    def variant(self) -> VariantInfo:
        """The variant, with its weights' hashes and its environment."""
        return self.info.variants[0]

    def named(self, name: str) -> Iterator[Result]:
        """Yield the results under another variant's name: a run may have a variant of this name."""
        return renamed(self.results, name)


def save_baseline(
    path: Path,
    info: RunInfo,
    results: Iterable[Result],
    *,
    variant: str | None = None,
    with_answers: bool = False,
) -> None:
    """Write the results of one variant of a whole, clean run; `with_answers` the answers too.

    `variant` may be left out where the baseline, or one variant only, answered in the run. Raises
    InputError, and writes nothing, for a run that is unfinished, partial or full of errors, for a
    baseline that did not answer in it, and where the file cannot be written.
    """
    by_name = {each.name: each for each in info.answered}
    default = info.baseline if info.baseline in by_name else None
    name = variant or default or (next(iter(by_name)) if len(by_name) == 1 else "")
    if name not in by_name:
        raise InputError(replace(_no_choice(info, name, by_name), path=str(path)))
    rows = [result for result in results if result.variant == name]
    problems = flaws(info, name, collect(rows))
    if problems:
        raise InputError(*(replace(problem, path=str(path)) for problem in problems))
    content: dict[str, JsonValue] = {
        "run": run_to_json(replace(info, variants=(by_name[name],), baseline=None)),
        "results": [_row(result, with_answers) for result in rows],
    }
    _FILE.write(path, content, "results", sort_keys=True)


def _no_choice(info: RunInfo, name: str, known: Iterable[str]) -> Problem:
    """Say why there is no variant of this name to save, or none that was meant."""
    expected = ", ".join(known)
    if not name:
        which = "the run has several variants and no baseline: say which to save"
        if info.source:
            which = (
                "several variants answered in the run, and its baseline did not: say which to save"
            )
        return Problem(which, expected=expected, hint="add --variant NAME")
    if info.source and name == info.baseline:
        return Problem(f"variant '{name}' {not_here(info)}", expected=expected)
    message = f"variant '{name}' is not part of run {info.id}"
    return Problem(message, expected=expected, did_you_mean=nearest(name, known))


def not_here(info: RunInfo) -> str:
    """Say why the baseline of a run, which comes from elsewhere, has no results in it."""
    return f"did not answer in run {info.id}: its answers are those of {info.source}"


def flaws(info: RunInfo, variant: str, ledger: Ledger) -> list[Problem]:
    """Return everything that keeps this variant of a run from being a baseline."""
    problems = []
    if not info.finished:
        problems.append(Problem(f"run {info.id} was not finished: it is no baseline"))
    if EARLY_STOP in info.execution:
        problems.append(Problem(f"run {info.id} could stop early: it is no baseline"))
    if not info.suites:
        problems.append(Problem(f"run {info.id} has no suite: it is no baseline"))
    for suite in info.suites:
        items = ledger.of(suite.name, variant)
        if suite.partial:
            problems.append(Problem(f"suite {suite.name}: only {suite.partial} were run"))
        elif len(items) != suite.cases:
            have = f"{len(items)} of {suite.cases} cases have results"
            problems.append(Problem(f"suite {suite.name}: {have}"))
        broken = sum(item.errors > 0 for item in items.values())
        if broken > suite.gate.max_errors:
            limit = f"max_errors is {suite.gate.max_errors}"
            what = f"{plural(broken, 'case')} ended in an error, {limit}"
            problems.append(Problem(f"suite {suite.name}: {what}"))
    return problems


def load_baseline(path: Path) -> Baseline:
    """Read a baseline file; raises InputError for anything that is not one, or not whole."""
    content = _FILE.read(path)
    if not isinstance(content.get("digest"), str):
        raise InputError(Problem("the baseline has no digest", path=str(path)))
    _FILE.check_seal(path, content)
    info = fitting(RunInfo, content.get("run"), str(path), what="the record of the run")
    rows = fitting(tuple[_BaselineRow, ...], content.get("results"), str(path), what="results")
    suites = {suite.name: suite.category for suite in info.suites}
    faults = [
        Problem(
            f"results.{number}: suite {shown(row.suite)} is not in the record of the run", str(path)
        )
        for number, row in enumerate(rows)
        if row.suite not in suites
    ]
    if len(info.variants) != 1:
        found = plural(len(info.variants), "variant")
        faults.append(Problem("a baseline is of one variant", str(path), found=found))
    if faults:
        raise InputError(*first_problems(faults, str(path)))
    name = info.variants[0].name
    return Baseline(info, tuple(row.result(name, suites[row.suite]) for row in rows))


_Natural = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class _BaselineRow:
    """One result as a baseline file holds it: what the gate needs, without answers as a rule."""

    suite: str
    case: str
    repeat: _Natural
    outcome: Outcome
    score: Annotated[float, Field(ge=0, le=1)]
    case_hash: str
    environment: str
    cluster: str | None = None
    required: bool = False
    responses: tuple[str, ...] = ()
    tokens: tuple[_Natural, _Natural] | None = None  # of prompts and answers, where counted
    reasoning_tokens: _Natural = 0
    characters: _Natural | None = None

    def result(self, variant: str, category: str) -> Result:
        """Return the result of this variant, in a suite of this category."""
        return Result(
            suite=self.suite,
            category=category,
            case=self.case,
            variant=variant,
            repeat=self.repeat,
            outcome=self.outcome,
            score=self.score,
            responses=self.responses,
            case_hash=self.case_hash,
            signature=signature_from_json(self.environment),
            cluster=self.cluster,
            required=self.required,
            prompt_tokens=self.tokens[0] if self.tokens else 0,
            completion_tokens=self.tokens[1] if self.tokens else 0,
            counted=self.tokens is not None,
            reasoning_tokens=self.reasoning_tokens,
            length=self.characters,
        )


def _row(result: Result, with_answers: bool) -> JsonValue:
    row: dict[str, JsonValue] = {
        "suite": result.suite,
        "case": result.case,
        "repeat": result.repeat,
        "outcome": result.outcome.value,
        "score": result.score,
        "case_hash": result.case_hash,
        "environment": signature_to_json(result.signature),
    }
    if result.cluster is not None:
        row["cluster"] = result.cluster
    if result.required:
        row["required"] = True
    if result.counted:  # seconds are not in it: they would change with each save
        row["tokens"] = [result.prompt_tokens, result.completion_tokens]
    if result.reasoning_tokens:
        row["reasoning_tokens"] = result.reasoning_tokens
    if result.characters is not None:
        row["characters"] = result.characters
    if with_answers:
        row["responses"] = list(result.responses)
    return row
