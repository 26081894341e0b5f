"""From suite files to suites: everything is checked here, before any model is touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.errors import InputError, Problem
from harness.scorers import load_context
from harness.suites.build import haystack_raw, new_case
from harness.suites.document import Document, read_document
from harness.suites.file_models import CaseKeys, HaystackKeys, RowsKeys, SuiteKeys
from harness.suites.haystack import Haystack, expand
from harness.suites.problems import Loc, problem_of, shown
from harness.suites.rows import data_file, read_rows
from harness.suites.templates import TemplateError, render_all
from harness.suites.values import Case, Position, Suite


def load_suites(
    paths: Iterable[str | Path], *, beside: Iterable[Suite] = (), modules: Iterable[str] = ()
) -> tuple[Suite, ...]:
    """Load suite files, in this order; all that is wrong in all of them is raised at once.

    Names of suites and ids of cases are unique over these files and the suites `beside` them.
    `modules` are the Python modules that the user's configuration allows `python` checks to use.
    """
    suites: list[Suite] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            suites.append(load_suite(path, modules=modules))
        except InputError as error:
            problems += error.problems
    problems += _shared_names([*beside, *suites])
    if problems:
        raise InputError(*problems)
    return tuple(suites)


def load_suite(path: str | Path, *, modules: Iterable[str] = ()) -> Suite:
    """Load one suite file; raises InputError with all that is wrong in it."""
    name = Path(path).as_posix()
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", path=name)) from None
    return _File(Path(path), read_document(name, data), frozenset(modules)).suite()


class _File:
    """One file on its way to a suite; problems are collected on the way."""

    def __init__(self, path: Path, document: Document, modules: frozenset[str]) -> None:
        self.path, self.document = path, document
        self.context = load_context(path.parent, modules)
        self.problems: list[Problem] = []
        self.keys = self._top()

    def suite(self) -> Suite:
        keys = self.keys
        cases = [*self._inline(), *self._from_files(), *self._generated()]
        if not cases and not self.problems:
            self._problem((), "the suite has no cases", mend="add cases, from_file or generate")
        if not self.problems:
            self.problems += _twice("case id", ((case.id, case.position) for case in cases))
        if self.problems:
            raise InputError(*dict.fromkeys(self.problems))
        return Suite(
            name=keys.suite,
            category=keys.category,
            path=self.document.path,
            cases=tuple(cases),
            description=keys.description,
            gate=keys.gate,
            fix=keys.fix,
            warnings=tuple(_warnings(keys, len(cases))),
        )

    def _top(self) -> SuiteKeys:
        """The keys of the file; those that are wrong are reported, and left out to go on."""
        value = self.document.value
        if not isinstance(value, Mapping):
            found = shown(value)
            self._problem((), "a suite file is a mapping", found=found, wanted="suite: NAME, ...")
            raise InputError(*self.problems)
        try:
            return SuiteKeys.model_validate(value, context=self.context)
        except ValidationError as error:
            self._report(error, (), "", SuiteKeys)
            broken = {row["loc"][0] for row in error.errors()}
        kept = {key: part for key, part in value.items() if key not in broken}
        if isinstance(value.get("cases"), list):
            kept["cases"] = [case if isinstance(case, dict) else {} for case in value["cases"]]
        names = {"suite": "unnamed", "category": "unnamed"}
        return SuiteKeys.model_validate({**names, **kept}, context=self.context)

    def _inline(self) -> list[Case]:
        made = (
            self._case(raw, ("cases", index), {})
            for index, raw in enumerate(self.keys.cases)
            if raw
        )
        return [case for case in made if case is not None]

    def _from_files(self) -> list[Case]:
        cases: list[Case] = []
        for index, entry in enumerate(self.keys.from_file):
            try:
                cases += self._rows(entry, ("from_file", index))
            except InputError as error:
                self.problems += error.problems
        return cases

    def _rows(self, entry: RowsKeys, loc: Loc) -> list[Case]:
        position = self.document.position((*loc, "path"))
        place = Problem("", position.path, position.line, position.column)
        path = data_file(self.path, entry.path, place)
        name = (Path(self.document.path).parent / entry.path).as_posix()
        cases: list[Case] = []
        for line, row in read_rows(path, name):
            before = len(self.problems)
            case = self._case(entry.case, (*loc, "case"), {"row": row}, f"{name}:{line}")
            if len(self.problems) > before:
                return cases  # the next rows would say the same again
            cases += [case] if case else []
        if not cases:
            raise InputError(Problem("the data file has no rows", path=name))
        return cases

    def _generated(self) -> list[Case]:
        cases = []
        for index, entry in enumerate(self.keys.generate):
            keys, loc = entry.haystack, ("generate", index, "haystack")
            for haystack in expand(keys):
                cases.append(self._haystack(keys, haystack, loc))
        return [case for case in cases if case is not None]

    def _haystack(self, keys: HaystackKeys, haystack: Haystack, loc: Loc) -> Case | None:
        return self._case(haystack_raw(keys, haystack), loc, {}, haystack=haystack)

    def _case(
        self,
        raw: dict[str, Any],
        loc: Loc,
        extra: Mapping[str, Any],
        row: str = "",
        haystack: Haystack | None = None,
    ) -> Case | None:
        """One case, rendered and validated; None where something in it is wrong."""
        own = raw.get("vars")
        variables = {**self.keys.vars, **(own if isinstance(own, dict) else {}), **extra}
        called = raw["id"] if isinstance(raw.get("id"), str) else ""
        label = f"{called} ({row})" if row else called
        rendered = self._rendered(raw, loc, variables, label)
        if rendered is None:
            return None
        try:
            keys = CaseKeys.model_validate(rendered, context=self.context)
        except ValidationError as error:
            self._report(error, loc, label, CaseKeys)
            return None
        return new_case(self.keys, keys, self.document.position(loc), haystack)

    def _rendered(
        self, raw: dict[str, Any], loc: Loc, variables: Mapping[str, Any], label: str
    ) -> dict[str, Any] | None:
        before = len(self.problems)

        def failed(place: Loc, error: TemplateError) -> None:
            self._problem(
                (*loc, *place),
                error.message,
                case=label,
                did_you_mean=error.did_you_mean,
                mend=f"known variables: {error.known}" if error.known else "",
            )

        whole = {key: part for key, part in raw.items() if key != "vars"}
        if "system" not in whole and self.keys.defaults.system is not None:
            whole["system"] = self.keys.defaults.system
        rendered: dict[str, Any] = render_all(whole, variables, failed)
        if "vars" in raw:
            rendered["vars"] = raw["vars"]
        return rendered if len(self.problems) == before else None

    def _report(self, error: ValidationError, loc: Loc, case: str, model: type[BaseModel]) -> None:
        for row in error.errors(include_url=False):
            self.problems.append(problem_of(row, self.document, loc, case, model))

    def _problem(self, loc: Loc, message: str, **parts: str) -> None:
        place = self.document.position(loc)
        self.problems.append(Problem(message, place.path, place.line, place.column, **parts))


def _warnings(keys: SuiteKeys, cases: int) -> Iterable[str]:
    needed = keys.gate.smallest_suite
    if cases < needed:
        yield (
            f"{cases} cases are too few for max_drop {keys.gate.max_drop:g}: a candidate that"
            f" changes nothing passes non_inferiority with {needed} cases or more"
        )


def _shared_names(suites: Sequence[Suite]) -> list[Problem]:
    """Names that stand in more than one file."""
    names = _twice("suite", ((s.name, Position(s.path, 1, 1)) for s in suites))
    cases = _twice("case id", ((case.id, case.position) for s in suites for case in s.cases))
    return names + [problem for problem in cases if problem not in names]


def _twice(what: str, named: Iterable[tuple[str, Position]]) -> list[Problem]:
    first: dict[str, Position] = {}
    problems = []
    for name, place in named:
        if name in first:
            found = f"first at {first[name].path}:{first[name].line}"
            problems.append(
                Problem(
                    f"{what} {name!r} stands twice",
                    place.path,
                    place.line,
                    place.column,
                    found=found,
                    mend="give each a name of its own",
                )
            )
        first.setdefault(name, place)
    return problems
