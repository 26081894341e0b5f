"""From suite files to suites: everything is checked here, before any model is touched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import InputError, Problem
from harness.garbage import no_collection
from harness.suites.document import read_document
from harness.suites.files import suite_files
from harness.suites.reader import SuiteReader
from harness.suites.unique import Named, stand_twice
from harness.suites.values import Position, Suite


def load_suites(
    paths: Iterable[str | Path], *, beside: Iterable[Suite] = (), modules: Iterable[str] = ()
) -> tuple[Suite, ...]:
    """Load suite files, and all below folders; all that is wrong in all of them is raised at once.

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
    with no_collection():
        return SuiteReader(Path(path).parent, read_document(name, data), modules).read()


def _shared_names(suites: Sequence[Suite]) -> Iterable[Problem]:
    """Names that stand in more than one file."""
    yield from stand_twice(
        "suite name", [Named(suite.name, Position(suite.path, suite.line, 1)) for suite in suites]
    )
    cases = [case for suite in suites for case in (*suite.cases, *suite.retired)]
    yield from stand_twice("case id", [Named(case.id, case.position) for case in cases])
