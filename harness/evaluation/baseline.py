"""Variants of earlier runs: baselines of a run, and what a comparison compares.

One is written `RUN`, `RUN:VARIANT`, `FOLDER`, `FOLDER:VARIANT` or `FILE.json`: a run by its id, the
beginning of it or `latest`; a folder under `reports/`; a committed baseline.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.backends import Backend
from harness.common import InputError, Problem, Variant, VariantRole, first_of, nearest
from harness.config import Settings
from harness.evaluation.keys import environment_of
from harness.gate import Ledger, collect, environment_change, flaws, load_baseline, not_here
from harness.reports import LATEST, load_run
from harness.results import Result, RunInfo, Signature, VariantInfo
from harness.store import existing_store, find_run

SHOWN = 5  # cases in a message


@dataclass(frozen=True)
class StoredVariant:
    """One variant of an earlier run, found by `text`, under the name that it has now.

    `ledger` holds what the gate needs of its results, under the name that it had: it was read when
    the variant was found, and is not read again. `read` gives the results of the run themselves,
    from the start each time.
    """

    name: str
    text: str
    info: RunInfo
    variant: VariantInfo
    ledger: Ledger = field(repr=False, compare=False)
    read: Callable[[], Iterable[Result]] = field(repr=False, compare=False)

    def results(self) -> Iterator[Result]:
        """Yield the results of this variant, under the name that it has now."""
        for result in self.read():
            if result.variant == self.variant.name:
                yield replace(result, variant=self.name)

    def items(self, suites: Iterable[str], name: str) -> Ledger:
        """Return its items in these suites, under another name."""
        ledger, own = Ledger(), self.variant.name
        for suite in suites:
            if items := self.ledger.of(suite, own):
                ledger.items[suite, name] = items
        return ledger

    def only(self, taken: Collection[tuple[str, str]]) -> StoredVariant:
        """Return this variant with these cases alone, by suite and id; its suites are partial."""
        read, ledger = self.read, self.ledger.only(lambda suite, case: (suite, case) in taken)
        suites = tuple(
            replace(suite, selected=len(ledger.of(suite.name, self.variant.name)))
            for suite in self.info.suites
        )

        def some() -> Iterator[Result]:
            return (result for result in read() if (result.suite, result.case) in taken)

        return replace(self, info=replace(self.info, suites=suites), ledger=ledger, read=some)

    @property
    def source(self) -> str:
        """Return a text that finds this variant again, whatever runs come after."""
        if self.in_file or "/" in self.text:
            return self.text
        return f"{self.info.id}:{self.variant.name}"

    @property
    def in_file(self) -> bool:
        """Return whether its results come from a baseline file."""
        return self.text.endswith(".json")

    @property
    def whole(self) -> str:
        """Return in words what it is."""
        return f"variant {self.variant.name} of run {self.info.id}"


def find_stored(
    settings: Settings, texts: Sequence[str], *, read_only: bool = False
) -> tuple[StoredVariant, ...]:
    """Find stored variants, each under a name of its own; `read_only` as in `Store`.

    Raises InputError for all that are not found, and for fewer than two.
    """
    found: list[StoredVariant] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            found.append(_find(settings, text, read_only=read_only))
        except InputError as error:
            problems += error.problems
    if not problems and len(texts) < 2:
        problems.append(
            Problem(
                "a comparison needs at least two runs",
                found=", ".join(texts),
                hint="two variants of one run are RUN:VARIANT each: latest:base latest:new",
            )
        )
    counts = Counter((side.info.id, side.variant.name) for side in found)
    twice = [key for key, count in counts.items() if count > 1]
    problems += [
        Problem(
            f"variant {name} of run {run} is on two sides",
            hint="name another run, or another variant of it as RUN:VARIANT",
        )
        for run, name in twice
    ]
    if problems:
        raise InputError(*problems)
    names = Counter(side.variant.name for side in found)
    named: dict[str, StoredVariant] = {}
    for side in found:
        name = side.variant.name
        if names[name] > 1:  # then with the end of the run's id
            name = f"{name}.{side.info.id.rpartition('-')[2]}"
        while name in named:
            name = f"{name}-again"
        named[name] = replace(side, name=name)
    return tuple(named.values())


def earlier_baseline(settings: Settings, text: str) -> StoredVariant:
    """Find what `--baseline TEXT` means where TEXT is no variant of the run: a file or a run.

    Of a run with several variants one has to be named. Raises InputError for what is not there
    and for what is no fair baseline: an unfinished run, part of a suite, too many errors.
    """
    if text.endswith(".json"):
        saved = load_baseline(settings.path(text))
        return replace(
            _stored(text, "", saved.info, lambda: saved.results), name=saved.variant.name
        )
    folder, colon, variant = text.partition(":")
    here = settings.path(folder)
    place = os.path.relpath(here.resolve(), settings.root) if here.exists() else folder
    is_path = here.exists() or "/" in folder  # else a run of the store
    side = _find(settings, f"{settings.path(place) if is_path else place}{colon}{variant}")
    if len(side.info.answered) > 1 and not variant:
        raise InputError(_several(text, side.info))
    side = replace(side, name=side.variant.name, text=f"{place}{colon}{variant}")
    if problems := flaws(side.info, side.name, side.ledger):
        raise InputError(*(replace(problem, path=f"--baseline {text}") for problem in problems))
    return side


def check_environment(
    side: StoredVariant, suites: Collection[str], variants: Iterable[Variant], backend: Backend
) -> None:
    """Raise InputError where no candidate runs in the environment of this earlier baseline.

    Then no pair of these suites can be compared, whatever the answers are.
    """
    items = side.items(suites, side.name).items.values()
    signed = {found for held in items for item in held.values() for found in item.signatures}
    there = {signature.environment for signature in signed if signature != Signature()}
    candidates = [v for v in variants if v.role is VariantRole.CANDIDATE]
    here = {v.name: environment_of(v, backend) for v in candidates}
    if not there or any(half in there for half, _ in here.values()):
        return
    known = side.variant.environment
    problems = [
        Problem(
            f"no case of variant {name} can be compared with {side.whole}",
            path=f"--baseline {side.text}",
            found=f"{environment_change(min(there), half, (known, fields))} differs",
            hint="run both in the same environment: take the baseline from a run in this one, or "
            "run in that of the baseline; --baseline none judges by the bars alone",
        )
        for name, (half, fields) in here.items()
    ]
    if problems:
        raise InputError(*problems)


def check_common(sides: Sequence[StoredVariant]) -> None:
    """Raise InputError where no case of a common suite is on all sides."""
    cases = [
        {(suite, case) for (suite, _), items in side.ledger.items.items() for case in items}
        for side in sides
    ]
    suites = [{suite for suite, _ in held} for held in cases]
    if set.intersection(*cases) or not set.intersection(*suites):
        return  # without a common suite the gate has its own message
    found = "; ".join(
        f"{side.name}: {first_of(sorted(case for _, case in held), SHOWN)}"
        for side, held in zip(sides, cases, strict=True)
    )
    raise InputError(Problem("the runs have no case in common", found=found))


def _find(settings: Settings, text: str, *, read_only: bool = False) -> StoredVariant:
    """Find a stored variant by what was typed; it has no name yet."""
    if Path(text).exists():
        problem = None
    elif text.endswith(":"):
        path = text[:-1]
        message = "the name of the variant is missing after the colon"
        problem = Problem(message, found=text, expected=f"{path} or {path}:NAME")
    elif ":" not in text and text.endswith(".json"):
        problem = Problem("there is no such file", path=text)
    else:
        folder = text.rpartition(":")[0] if ":" in text else text
        gone = "/" in folder and not Path(folder).exists()
        problem = Problem("there is no such file or folder", path=folder) if gone else None
    if problem:
        raise InputError(problem)
    if text.endswith(".json") and Path(text).is_file():
        baseline = load_baseline(Path(text))
        return _stored(text, "", baseline.info, lambda: baseline.results)
    path, _, variant = text.rpartition(":") if ":" in text else (text, "", "")
    if Path(path).is_file() and Path(path).name != LATEST:  # that may be a file, and point to one
        raise InputError(
            Problem(
                "this file is no run and no baseline",
                path=text,
                expected="a run (`harness runs` lists them), its folder under reports/, or a "
                "FILE.json that `harness baseline save` wrote",
            )
        )
    if Path(path).exists():
        saved = load_run(path)
        return _stored(text, variant, saved.info, saved.results)
    with existing_store(settings.path(settings.store), read_only=read_only) as store:
        info = find_run(store, path)

        def again() -> Iterator[Result]:
            with existing_store(store.path, read_only=read_only) as reopened:
                yield from reopened.results(info.id)

        return replace(_stored(text, variant, info, lambda: store.results(info.id)), read=again)


def _stored(
    text: str, variant: str, info: RunInfo, read: Callable[[], Iterable[Result]]
) -> StoredVariant:
    """Read the results of a variant once, into its ledger."""
    found = _variant(text, variant, info)
    ledger = collect(result for result in read() if result.variant == found.name)
    return StoredVariant("", text, info, found, ledger, read)


def _variant(text: str, name: str, info: RunInfo) -> VariantInfo:
    """Find a variant by name; without one the only one that answered, or the only candidate."""
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
