"""One case on its way from the file: templates rendered, keys and checks validated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from harness.suites.build import new_case
from harness.suites.document import Document
from harness.suites.file_models import CaseKeys, SuiteKeys
from harness.suites.haystack import Haystack
from harness.suites.missing_keys import MissingKeys
from harness.suites.problems import Place, Problems
from harness.suites.rendering import render_case, render_inherited
from harness.suites.templates import Failed, Loc, TemplateError, is_template, render_text
from harness.suites.unique import Named
from harness.suites.values import Case, Position

GIVEN = ("row", "haystack")  # variables that are there by themselves
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Draft:
    """A case as the file writes it.

    `origin` is the row of a data file, where there is one, else the place in the suite file;
    `given` holds the variables of `GIVEN`.
    """

    raw: Any
    place: Place
    origin: Position
    given: Mapping[str, Any] = field(default_factory=dict)
    haystack: Haystack | None = None
    missing: MissingKeys | None = None


class CaseReader:
    """Makes cases; what is wrong goes to `problems`, and the names of all cases to `names`."""

    def __init__(
        self, suite: SuiteKeys, document: Document, context: dict[str, Any], problems: Problems
    ) -> None:
        self._suite, self._document, self._context = suite, document, context
        self._problems = problems
        self.names: list[Named] = []

    def read(self, draft: Draft) -> Case | None:
        """The case; None where something in it is wrong."""
        place = draft.place
        wrong: set[Loc] = set()
        rendered = draft.raw
        if isinstance(rendered, dict):
            variables = self._variables(draft)
            rows = draft.missing.rows if draft.missing else 0
            place = Place(place.loc, _label(draft, variables), draft.origin.line, rows)
            check_names(_own(draft), place, self._problems)
            rendered = self._rendered(draft, variables, place, wrong)
        try:
            keys = CaseKeys.model_validate(rendered, context=self._context)
        except ValidationError as error:
            self._problems.add_invalid(place, error, CaseKeys, wrong)
            return None
        if not same_id(draft):
            self.names.append(Named(keys.id, draft.origin))
        position = self._document.position(place.loc)
        return None if wrong else new_case(self._suite, keys, position, draft.haystack)

    def _variables(self, draft: Draft) -> Mapping[str, Any]:
        return {**self._suite.vars, **_own(draft), **draft.given}

    def _rendered(
        self, draft: Draft, variables: Mapping[str, Any], place: Place, wrong: set[Loc]
    ) -> dict[str, Any]:
        inside = self._noting(draft, place, wrong)
        above = self._noting(draft, replace(place, loc=()), wrong)
        rendered: dict[str, Any] = render_case(draft.raw, variables, inside)
        if draft.haystack:
            rendered["user"] = draft.haystack.question
        return rendered | render_inherited(draft.raw, self._suite, variables, above)

    def _noting(self, draft: Draft, base: Place, wrong: set[Loc]) -> Failed:
        """What notes the templates that cannot be rendered."""

        def failed(loc: Loc, error: TemplateError) -> None:
            wrong.add(loc)
            place = base.below(*loc)
            if error.row_key and draft.missing:
                draft.missing.add(place, error, draft.origin)
            else:
                self._problems.add_template(place, error)

        return failed


def same_id(draft: Draft) -> bool:
    """Whether all rows of a data file make a case of this id, which the file then says itself."""
    name = draft.raw.get("id") if isinstance(draft.raw, dict) else None
    several = draft.missing is not None and draft.missing.rows > 1
    return several and isinstance(name, str) and not is_template(name)


def _own(draft: Draft) -> Mapping[str, Any]:
    """The variables of the case itself; none where `vars` is no mapping, which pydantic says."""
    own = draft.raw.get("vars")
    return own if isinstance(own, dict) else {}


def check_names(variables: Mapping[str, Any], place: Place, problems: Problems) -> None:
    """Notes the names under `vars` that no template could use."""
    for name in variables:
        if name in GIVEN or not _VARIABLE.fullmatch(name):
            message = f"{name!r} cannot be the name of a variable"
            mend = "choose another name" if name in GIVEN else "use letters, digits and _"
            problems.add_key(place.below("vars", name), message, mend=mend)


def _label(draft: Draft, variables: Mapping[str, Any]) -> str:
    """How messages call the case: its id, and the row that it was made from."""
    name = draft.raw.get("id", "")
    with suppress(TemplateError):
        name = render_text(name, variables) if isinstance(name, str) else ""
    row = f"{draft.origin.path}:{draft.origin.line}"
    return f"{name} ({row})".strip() if draft.missing else name
