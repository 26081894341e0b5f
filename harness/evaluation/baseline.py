"""What a comparison compares: one variant of a stored run, of a report's folder or of a baseline.

A side is written `RUN`, `RUN:VARIANT`, `FOLDER`, `FOLDER:VARIANT` or `FILE.json`: a run by its id,
the beginning of it or `latest`; a folder under `reports/`; a committed baseline.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.backends import Backend
from harness.common import InputError, Problem, Variant, VariantRole, nearest
from harness.config import Settings
from harness.evaluation.keys import environment_of
from harness.gate import environment_change, flaws, load_baseline, not_here
from harness.reports import load_run
from harness.reports.files import LATEST
from harness.results import Result, RunInfo, Signature, VariantInfo
from harness.store import existing_store, find_run

SHOWN = 5  # cases in a message


@dataclass(frozen=True)
class Side:
    """One variant of one run under the name that the comparison gives it.

    `results` gives its results from the start each time it is called, under that name.
    """

    name: str
    text: str
    info: RunInfo
    variant: VariantInfo
    read: Callable[[], Iterable[Result]]

    def results(self) -> Iterator[Result]:
        """The results of this side, under the name of the side."""
        for result in self.read():
            if result.variant == self.variant.name:
                yield replace(result, variant=self.name)

    @property
    def source(self) -> str:
        """A text that finds this side again, whatever runs come after."""
        if self.in_file or "/" in self.text:
            return self.text
        return f"{self.info.id}:{self.variant.name}"

    @property
    def in_file(self) -> bool:
        """Its results come from a baseline file."""
        return self.text.endswith(".json")

    @property
    def whole(self) -> str:
        """The side in words."""
        return f"variant {self.variant.name} of run {self.info.id}"


def find_sides(settings: Settings, texts: Sequence[str]) -> tuple[Side, ...]:
    """All sides, each under a name of its own; raises InputError for all that are not found."""
    found: list[Side] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            found.append(_find(settings, text))
        except InputError as error:
            problems += error.problems
    if not problems and len(texts) < 2:
        problems.append(Problem("a comparison needs at least two runs", found=", ".join(texts)))
    twice = [key for key, count in Counter(map(_identity, found)).items() if count > 1]
    problems += [Problem(f"variant {name} of run {run} is on two sides") for run, name in twice]
    if problems:
        raise InputError(*problems)
    return tuple(_named(found))


def earlier_baseline(settings: Settings, text: str) -> Side:
    """The side that `--baseline TEXT` means where TEXT is no variant of the run: a file or a run.

    Of a run with several variants one has to be named. Raises InputError for what is not there
    and for what is no fair baseline: an unfinished run, part of a suite, too many errors.
    """
    if text.endswith(".json"):
        saved = load_baseline(settings.path(text))
        return Side(saved.variant.name, text, saved.info, saved.variant, lambda: saved.results)
    folder, colon, variant = text.partition(":")
    here = settings.path(folder)
    place = os.path.relpath(here.resolve(), settings.root) if here.exists() else folder
    is_path = here.exists() or "/" in folder  # else a run of the store
    side = _find(settings, f"{settings.path(place) if is_path else place}{colon}{variant}")
    if len(side.info.answered) > 1 and not variant:
        raise InputError(_several(text, side.info))
    side = replace(side, name=side.variant.name, text=f"{place}{colon}{variant}")
    if problems := flaws(side.info, side.name, side.results()):
        raise InputError(*(replace(problem, path=f"--baseline {text}") for problem in problems))
    return side


def check_environment(
    side: Side, suites: Container[str], variants: Iterable[Variant], backend: Backend
) -> None:
    """Raise InputError where no candidate runs in the environment of this earlier baseline.

    Then no pair of these suites can be compared, whatever the answers are.
    """
    signed = {result.signature for result in side.results() if result.suite in suites}
    there = {signature.environment for signature in signed if signature != Signature()}
    candidates = [v for v in variants if v.role is VariantRole.CANDIDATE]
    here = {v.name: environment_of(v, backend) for v in candidates}
    if not there or any(half in there for half, _ in here.values()):
        return
    known = side.variant.environment
    problems = [
        _unlike(side, name, environment_change(min(there), half, (known, fields)))
        for name, (half, fields) in here.items()
    ]
    if problems:
        raise InputError(*problems)


def _unlike(side: Side, name: str, what: str) -> Problem:
    return Problem(
        f"no case of variant {name} can be compared with {side.whole}",
        path=f"--baseline {side.text}",
        found=f"{what} differs",
        hint="run both in the same environment: take the baseline from a run in this one, or run "
        "in that of the baseline; --baseline none judges by the bars alone",
    )


def check_common(sides: Sequence[Side]) -> None:
    """Raise InputError where no case of a common suite is on all sides."""
    cases = [{(r.suite, r.case) for r in side.results()} for side in sides]
    suites = [{suite for suite, _ in held} for held in cases]
    if set.intersection(*cases) or not set.intersection(*suites):
        return  # without a common suite the gate has its own message
    found = "; ".join(
        f"{side.name}: {_few(case for _, case in held)}"
        for side, held in zip(sides, cases, strict=True)
    )
    raise InputError(Problem("the runs have no case in common", found=found))


def _find(settings: Settings, text: str) -> Side:
    if problem := _no_place(text):
        raise InputError(problem)
    if text.endswith(".json") and Path(text).is_file():
        baseline = load_baseline(Path(text))
        return _side(text, "", baseline.info, lambda: baseline.results)
    path, _, variant = text.rpartition(":") if ":" in text else (text, "", "")
    if Path(path).is_file() and Path(path).name != LATEST:  # that may be a file, and point to one
        raise InputError(_no_run(text))
    if Path(path).exists():
        saved = load_run(path)
        return _side(text, variant, saved.info, saved.results)
    with existing_store(settings.path(settings.store)) as store:
        info = find_run(store, path)
    return _side(text, variant, info, lambda: _stored(settings, info.id))


def _no_place(text: str) -> Problem | None:
    """A side that names no place and cannot be meant as a run of the store, or None."""
    path, colon, variant = text.rpartition(":")
    if Path(text).exists():
        return None
    if colon and not variant:
        message = "the name of the variant is missing after the colon"
        return Problem(message, found=text, expected=f"{path} or {path}:NAME")
    if not colon and text.endswith(".json"):
        return Problem("there is no such file", path=text)
    folder = path if colon else text
    if "/" in folder and not Path(folder).exists():
        return Problem("there is no such file or folder", path=folder)
    return None


def _no_run(text: str) -> Problem:
    return Problem(
        "this file is no run and no baseline",
        path=text,
        expected="a run (`harness runs` lists them), its folder under reports/, or a FILE.json "
        "that `harness baseline save` wrote",
    )


def _stored(settings: Settings, run_id: str) -> Iterator[Result]:
    with existing_store(settings.path(settings.store)) as store:
        yield from store.results(run_id)


def _side(text: str, variant: str, info: RunInfo, read: Callable[[], Iterable[Result]]) -> Side:
    return Side("", text, info, _variant(text, variant, info), read)


def _variant(text: str, name: str, info: RunInfo) -> VariantInfo:
    """The variant by name; without one the only variant that answered, or the only candidate."""
    by_name = {variant.name: variant for variant in info.answered}
    if name in by_name:
        return by_name[name]
    if name and info.source and name == info.baseline:
        hint = f"name {info.source} instead of {text}"
        raise InputError(Problem(f"variant {name!r} {not_here(info)}", hint=hint))
    if name:
        raise InputError(
            Problem(
                f"variant {name!r} is not part of run {info.id}",
                expected=", ".join(by_name),
                did_you_mean=nearest(name, by_name),
            )
        )
    candidates = [v for v in info.answered if v.role is VariantRole.CANDIDATE]
    for group in (info.answered, candidates):
        if len(group) == 1:
            return group[0]
    raise InputError(_several(text, info))


def _several(text: str, info: RunInfo) -> Problem:
    return Problem(
        f"run {info.id} has several variants: say which to compare",
        expected=" or ".join(f"{text}:{variant.name}" for variant in info.answered),
    )


def _identity(side: Side) -> tuple[str, str]:
    return side.info.id, side.variant.name


def _named(sides: Sequence[Side]) -> Iterator[Side]:
    """The variant's name where it is on one side only; else with the end of the run's id."""
    counts = Counter(side.variant.name for side in sides)
    taken: set[str] = set()
    for side in sides:
        name = side.variant.name
        if counts[name] > 1:
            name = f"{name}.{side.info.id.rpartition('-')[2]}"
        while name in taken:
            name = f"{name}-again"
        taken.add(name)
        yield replace(side, name=name)


def _few(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:SHOWN]) + (", …" if len(ordered) > SHOWN else "")
