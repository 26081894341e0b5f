"""From suite files to suites: everything is checked here, before any model is touched."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.common import InputError, Problem, first_of, nearest, no_collection, plural
from harness.common.reading import first_problems, meant_beside
from harness.common.validation import described
from harness.common.yaml_positions import Position, YamlDocument, read_yaml_file
from harness.scorers import load_context
from harness.suites.cases import (
    CaseReader,
    Draft,
    MissingKeys,
    check_names,
    haystack_case,
    haystack_variables,
    same_id,
)
from harness.suites.doubts import doubts
from harness.suites.haystack import expand
from harness.suites.problems import Place, Problems
from harness.suites.rows import DataRow, find_data, read_rows
from harness.suites.schema import MAX_CASES, GenerateKeys, RowsKeys, SuiteKeys
from harness.suites.values import Case, Named, Suite, stand_twice

SUFFIXES = (".yaml", ".yml")


def suite_files(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """Return the named files, and all YAML files below the named folders, sorted; each file once.

    Raises InputError for all names that lead to no suite.
    """
    found: dict[Path, None] = {}
    problems = []
    for path in map(Path, paths):
        files = yaml_below(path) if path.is_dir() else [path]
        found.update(dict.fromkeys(files))
        if not path.exists():
            problems.append(not_there(path))
        elif not files:
            message = f"no suite below {path.as_posix()}"
            problems.append(Problem(message, expected="a .yaml or .yml file"))
    if problems:
        raise InputError(*problems)
    return tuple(found)


def yaml_below(folder: Path) -> list[Path]:
    """Return all YAML files in a folder and below it, sorted."""
    # Not Path.rglob: below `/`, where somebody left a word out, it takes five times as long.
    names = (Path(at, n) for at, _, found in os.walk(folder) for n in found if n.endswith(SUFFIXES))
    return sorted(path for path in names if path.suffix and path.is_file())


def not_there(path: Path) -> Problem:
    """Return the problem of a path that leads nowhere, with what was probably meant."""
    message = f"no such file or folder: {path.as_posix()}"
    if path.is_symlink():
        return Problem(message, found="a link that leads nowhere")
    return Problem(message, did_you_mean=meant_beside(path))


M = TypeVar("M", bound=BaseModel)


class SuiteReader:
    """Reads one file; problems are collected on the way, and raised together."""

    def __init__(self, folder: Path, document: YamlDocument, modules: Iterable[str] = ()) -> None:
        self._folder, self._document = folder, document
        self._context = load_context(folder, modules)
        self._problems = Problems(document)

    def read(self) -> Suite:
        """Read the suite. Raises InputError with all that is wrong."""
        # The keys; those that are wrong are reported and left out, so that cases are read too
        value = self._document.value
        if not isinstance(value, dict):
            message = "the file is empty" if value is None else "a suite file is a mapping"
            found = "" if value is None else described(value)
            self._problems.add(Place(), message, found=found, expected="suite: NAME, and its cases")
            self._problems.raise_any()
        try:
            keys = SuiteKeys.model_validate(value)
        except ValidationError as error:
            self._problems.add_invalid(Place(), error, SuiteKeys)
            wrong = {row["loc"][0] for row in error.errors()}
            if {"vars", "tools"} & wrong:  # what stands in every case would be wrong as well
                self._problems.raise_any()
            right = {key: part for key, part in value.items() if key not in wrong}
            keys = SuiteKeys.model_validate({"suite": "unnamed", "category": "unnamed", **right})
        check_names(keys.vars, Place(), self._problems)
        reader = CaseReader(keys, self._document, self._context, self._problems)
        drafts = islice(self._drafts(keys), MAX_CASES + 1)  # no more are made than are possible
        cases = [case for draft in drafts if (case := reader.read(draft))]
        self._problems.add_elsewhere(*stand_twice("case id", reader.names))
        if not len(self._problems):
            self._check_cases(keys, cases)
        self._problems.raise_any()
        gone = frozenset(keys.retire)
        gating = tuple(case for case in cases if case.id not in gone)
        return Suite(
            name=keys.suite,
            category=keys.category,
            path=self._document.path,
            cases=gating,
            description=keys.description,
            gate=keys.gate,
            fix=keys.fix,
            warnings=tuple(doubts(keys.gate, gating)),
            retired=tuple(case for case in cases if case.id in gone),
            line=self._document.position(("suite",)).line,
            bars={
                name: self._document.position(("gate", name)) for name in keys.gate.model_fields_set
            },
        )

    def _valid(self, raw: Any, place: Place, model: type[M]) -> M | None:
        """Return a part of the file as its model; None after its problems were noted."""
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            self._problems.add_invalid(place, error, model)
            return None

    # -- where cases come from ---------------------------------------------------------------------

    def _drafts(self, keys: SuiteKeys) -> Iterator[Draft]:
        for index, raw in enumerate(keys.cases):
            place = Place(("cases", index))
            yield Draft(raw, place, self._document.position(place.loc))
        for index, raw in enumerate(keys.from_file):
            place = Place(("from_file", index))
            if entry := self._valid(raw, place, RowsKeys):
                yield from self._of_rows(entry, place)
        for index, raw in enumerate(keys.generate):
            place = Place(("generate", index))
            if family := self._valid(raw, place, GenerateKeys):
                place = place.below("haystack")
                origin = self._document.position(place.loc)
                for haystack in expand(family.haystack):
                    raw = haystack_case(family.haystack, haystack)
                    given = {"haystack": haystack_variables(haystack)}
                    yield Draft(raw, place, origin, given, haystack)

    def _of_rows(self, entry: RowsKeys, place: Place) -> Iterator[Draft]:
        """Yield one draft a row; keys that rows have not are known when all of them were read."""
        name = (Path(self._document.path).parent / entry.path).as_posix()
        rows: tuple[DataRow, ...] = ()
        try:
            rows = read_rows(find_data(self._folder, entry.path), name)
        except InputError as error:
            for problem in error.problems:
                self._problems.add_at(place.below("path"), problem)
        if len(rows) > MAX_CASES:
            message = f"{len(rows):,} rows; a suite has at most {MAX_CASES:,} cases"
            self._problems.add(place.below("path"), message, hint="divide them between suites")
            return
        missing = MissingKeys(name, rows)
        for index, row in enumerate(rows):
            origin, given = Position(name, row.line, 1), {"row": row.values}
            draft = Draft(entry.case, place.below("case"), origin, given, missing=missing)
            if index == 0 and same_id(draft):
                case_id, key = entry.case["id"], next(iter(row.values), "KEY")
                message = f"all {len(rows)} rows make a case with the id {case_id!r}"
                hint = f'make it of the row: "{case_id}-{{{{ row.{key} }}}}"'
                self._problems.add(place.below("case", "id"), message, hint=hint)
            yield draft
        missing.report(self._problems, self._document)

    # -- the cases together ------------------------------------------------------------------------

    def _check_cases(self, keys: SuiteKeys, cases: Sequence[Case]) -> None:
        at_name = Place(("suite",))
        ids = {case.id for case in cases}
        if not cases:
            hint = "add cases, from_file or generate"
            self._problems.add_key(at_name, "the suite has no cases", hint=hint)
        elif len(cases) > MAX_CASES:
            message = f"the suite has more than {MAX_CASES:,} cases"
            self._problems.add_key(at_name, message)
        elif ids <= set(keys.retire):
            self._problems.add_key(Place(("retire",)), "all cases are retired")
        for index, name in enumerate(keys.retire):
            if name not in ids:
                message, close = f"no case has the id {name!r}", nearest(name, ids)
                self._problems.add(Place(("retire", index)), message, did_you_mean=close)
        if tries := keys.gate.tries:
            few = [case for case in cases if case.repeats < tries.k and case.id not in keys.retire]
            if few:
                least = min(few, key=lambda case: case.repeats)
                self._problems.add(
                    Place(("gate", "on"), least.id),
                    f"{tries.name} needs {tries.k} tries of each case",
                    found=f"repeats: {least.repeats}"
                    + (f" in {len(few)} of {plural(len(cases), 'case')}" if len(cases) > 1 else ""),
                    hint=f"set defaults: {{repeats: {tries.k}}} or more, or a smaller number",
                )
        tags = {tag for case in cases if case.id not in keys.retire for tag in case.tags}
        for index, tag in enumerate(keys.gate.slices):
            message, close = f"no case has the tag {tag!r}", nearest(tag, tags)
            hint = f"tags of this suite: {first_of(sorted(tags), 20)}"
            if not tags:
                hint = f"give the cases of this slice the tag: `tags: [{tag}]`"
            if tag in keys.gate.slices[:index]:
                message, close, hint = f"the slice {tag!r} stands twice", "", ""
            elif tag in tags:
                continue
            self._problems.add(
                Place(("gate", "slices", index)),
                message,
                did_you_mean=close,
                hint=hint,
            )
        # Other rows of a repair go through a template of this file: there is none otherwise.
        generate = keys.fix.generate if keys.fix else None
        files = [entry["path"] for entry in keys.from_file]
        for name in generate.rows if generate else ():
            if name not in files:
                place = Place(("fix", "generate", "rows", name))
                message, close = f"no entry under from_file reads {name!r}", nearest(name, files)
                self._problems.add_key(place, message, did_you_mean=close)


def load_suites(
    paths: Iterable[str | Path], *, beside: Iterable[Suite] = (), modules: Iterable[str] = ()
) -> tuple[Suite, ...]:
    """Load suite files, and all below folders; what is wrong in all of them is raised at once.

    Names of suites and ids of cases are unique over these files and the suites `beside` them.
    `modules` are the Python modules that the user's configuration allows `python` checks to use.
    """
    suites: list[Suite] = []
    problems: list[Problem] = []
    for path in suite_files(paths):
        try:
            suites.append(load_suite(path, modules=modules))
        except InputError as error:
            problems += error.problems
    together = [*beside, *suites]
    names = [Named(suite.name, Position(suite.path, suite.line, 1)) for suite in together]
    twice = [*stand_twice("suite name", names)]
    cases = [case for suite in together for case in (*suite.cases, *suite.retired)]
    twice += stand_twice("case id", [Named(case.id, case.position) for case in cases])
    if problems or twice:
        raise InputError(*problems, *first_problems(twice, ""))
    return tuple(suites)


def make_suite(
    name: str,
    cases: Iterable[Mapping[str, Any]] = (),
    *,
    category: str = "",
    modules: Iterable[str] = (),
    **keys: Any,
) -> Suite:
    """Make a suite of values: `cases` and `keys` are what stands in a file, docs/suite.md.

    Among the checks may stand functions that `check` made one of. Without `category` it is the
    name. Paths are relative to the working directory. What is wrong is raised as an InputError that
    names the line of the call.
    """
    caller = sys._getframe(1)
    file = Path(caller.f_code.co_filename)
    path = "<code>"  # a cell of a notebook, a shell
    if file.is_file():
        path = (
            file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
        ).as_posix()

    def plain(value: object) -> object:
        if called := getattr(value, "check_name", None):
            return called
        if hasattr(value, "item"):  # a number of numpy
            return value.item()
        what = getattr(value, "__name__", type(value).__name__)
        raise TypeError(f"{what} is no value of a suite file")

    given = {"suite": name, "category": category or name, "cases": list(cases), **keys}
    try:
        value = json.loads(json.dumps(given, default=plain, allow_nan=False))
    except (TypeError, ValueError) as error:
        hint = (
            "use texts, numbers, lists and dicts; a function of yours is a check by @harness.check"
        )
        raise InputError(
            Problem(f"suite {name!r}: {error}", path, caller.f_lineno, hint=hint)
        ) from None
    document = YamlDocument(path, value, None, caller.f_lineno)
    return SuiteReader(Path.cwd(), document, modules).read()


def load_suite(path: str | Path, *, modules: Iterable[str] = ()) -> Suite:
    """Load one suite file; raises InputError with what is wrong in it: see `first_problems`."""
    with no_collection():
        return SuiteReader(Path(path).parent, read_yaml_file(Path(path)), modules).read()
