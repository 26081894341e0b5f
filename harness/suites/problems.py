"""What is wrong in a suite file, in the house form: where it stands, what was found and wanted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import InputError, Problem, nearest
from harness.scorers import UnknownScorerError, get
from harness.scorers.limits import shown
from harness.suites.document import Document
from harness.suites.file_models import keys_of
from harness.suites.templates import Loc, TemplateError

_KINDS = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "mapping": "a mapping",
}
_LIMITS = {
    "greater_than": "above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "below {lt:g}",
    "less_than_equal": "{le:g} or less",
    "multiple_of": "a multiple of {multiple_of:g}",
    "finite_number": "a finite number",
    "string_too_short": "a text that is not empty",
    "string_too_long": "at most {max_length} characters",
    "too_short": "{min_length} or more entries",
    "too_long": "{max_length} or fewer entries",
    "string_pattern_mismatch": "letters, digits, '_', '.' and '-'",
}
_PERCENT = ("gate.min_pass_rate", "gate.max_drop")  # what people give in percent
# Steps that say where a thing stands, not what it is.
_LISTS = ("cases", "checks", "from_file", "generate", "case", "haystack", "turns")


@dataclass(frozen=True, slots=True)
class Place:
    """What the problems of one part of a file share: its way from the top, and its case."""

    loc: Loc = ()
    case: str = ""

    def below(self, *steps: str | int) -> Place:
        """A part of this part."""
        return replace(self, loc=(*self.loc, *steps))


class Problems:
    """The problems of one file, collected while it is read."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: list[Problem] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, message: str, **parts: str) -> None:
        """One problem at a place of the suite file."""
        at = self._document.position(place.loc)
        self._found.append(Problem(message, at.path, at.line, at.column, place.case, **parts))

    def add_key(self, place: Place, message: str, **parts: str) -> None:
        """One problem at the key of a place, not at its value."""
        at = self._document.position(place.loc, of_key=True)
        self._found.append(Problem(message, at.path, at.line, at.column, place.case, **parts))

    def add_elsewhere(self, *problems: Problem) -> None:
        """Problems that have their place already, perhaps in a data file."""
        self._found += problems

    def add_at(self, place: Place, problem: Problem) -> None:
        """A problem; where it has no place yet, it gets this one."""
        at = self._document.position(place.loc)
        here = replace(problem, path=at.path, line=at.line, column=at.column)
        self._found.append(problem if problem.path else here)

    def add_template(self, place: Place, error: TemplateError) -> None:
        """A template that could not be rendered."""
        parts = {"found": error.found, "did_you_mean": error.did_you_mean, "mend": error.mend}
        self.add(place, error.message, **parts)

    def add_invalid(
        self,
        place: Place,
        error: ValidationError,
        model: type[BaseModel],
        known_wrong: Collection[Loc] = (),
    ) -> None:
        """All that pydantic found below a place, but for what follows from a broken template."""
        rows = error.errors(include_url=False)
        for row in rows:
            if not _follows(row["loc"], known_wrong) and not _only_fewer(row, rows):
                at = place.below(*row["loc"])
                parts = _said(row, known_keys(model, row["loc"][:-1]), name_of(at.loc))
                (self.add_key if row["type"] == "extra_forbidden" else self.add)(at, **parts)

    def raise_any(self) -> None:
        """Raises InputError with all problems, in the order of the file, then of data files."""
        if self._found:
            own = [problem for problem in self._found if problem.path == self._document.path]
            others = [problem for problem in self._found if problem.path != self._document.path]
            own.sort(key=lambda problem: (problem.line, problem.column))
            raise InputError(*_merged([*own, *others]))


def _merged(problems: Sequence[Problem]) -> Iterator[Problem]:
    """The same fault at the same place, in every case that a template makes, is one problem."""
    groups: dict[tuple[str, int, int, str], list[Problem]] = {}
    for problem in problems:
        key = problem.path, problem.line, problem.column, problem.message
        groups.setdefault(key, []).append(problem)
    for first, *others in groups.values():
        more = len({problem.case for problem in others} - {first.case})
        case = f"{first.case} and {more} more" if more else first.case
        yield replace(first, case=case)


def _follows(loc: Loc, known_wrong: Collection[Loc]) -> bool:
    """Whether this place, one around it, or one in it, is known to be wrong."""
    return bool(loc) and any(
        loc[: len(wrong)] == wrong or wrong[: len(loc)] == loc for wrong in known_wrong
    )


def _only_fewer(row: ErrorDetails, rows: Sequence[ErrorDetails]) -> bool:
    """Whether a list is too short only because entries of it are wrong."""
    loc = row["loc"]
    return row["type"] == "too_short" and any(
        len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in rows
    )


def _said(row: ErrorDetails, known: Sequence[str], name: str) -> dict[str, str]:
    """The parts of a problem, but for its place; `name` is what has the wrong value."""
    kind, context = row["type"], row.get("ctx", {})
    if kind == "missing":
        return {"message": f"{name!r} is missing"}
    if kind == "extra_forbidden":
        return _unknown(str(row["loc"][-1]), known)
    if kind == "unknown_check":
        mend = "use one of " + ", ".join(context["known"])
        return {"message": row["msg"], "did_you_mean": context["did_you_mean"], "mend": mend}
    if kind == "too_short" and row["input"] == "":
        kind = "string_too_short"  # one text stands for a list of it
    if wanted := _wanted(kind, context):
        return _wrong(name, row["input"], wanted)
    message = row["msg"].removeprefix("Value error, ")
    return {"message": f"{name}: {message}" if row["loc"] else message}


def _wanted(kind: str, context: Mapping[str, Any]) -> str:
    """What pydantic wanted, in plain words; empty where it says so itself."""
    if kind in ("literal_error", "enum"):
        return str(context["expected"]).replace("'", "")
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context)
    word = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    return _KINDS.get(word, "") if word != kind else ""


def _wrong(name: str, value: object, wanted: str) -> dict[str, str]:
    parts = {"message": f"wrong value for {name!r}", "found": described(value), "wanted": wanted}
    if wanted == "a text" and isinstance(value, int | float):
        parts["mend"] = f'put it in quotes: "{described(value).removeprefix("number ")}"'
    elif name in _PERCENT and isinstance(value, int | float) and 2 <= value <= 100:
        parts["mend"] = f"it is a share: {value / 100:g} stands for {value:g} %"
    elif wanted == "a list" and name == "checks" and isinstance(value, Mapping):
        parts["mend"] = "put a dash before each check: `- contains: red`"
    return parts


def _unknown(key: str, known: Sequence[str]) -> dict[str, str]:
    return {
        "message": f"key {key!r} is not known here",
        "did_you_mean": nearest(key, known),
        "mend": "known keys: " + ", ".join(sorted(known)) if known else "",
    }


def known_keys(model: type[BaseModel], loc: Loc) -> Sequence[str]:
    """The keys that may stand at this place of a file; empty where nobody can tell."""
    found: type[BaseModel] | None = model
    for step in loc:
        if isinstance(step, int):
            continue
        fields = {} if found is None else found.model_fields
        field = next((f for n, f in fields.items() if step in (n, f.alias)), None)
        found = _model_in(field.annotation) if field else _arguments(step)
    return keys_of(found) if found else ()


def _arguments(name: str) -> type[BaseModel] | None:
    """The arguments of the check of this name."""
    try:
        return get(name).args
    except UnknownScorerError:
        return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    parts = getattr(annotation, "__args__", ())
    return next((found for part in parts if (found := _model_in(part))), None)


def name_of(loc: Loc) -> str:
    """The last two named steps: `sampling.temperature` says more than `temperature`."""
    words = [step for step in loc if isinstance(step, str)]
    told = [word for word in words if word not in _LISTS]
    return ".".join(told[-2:] or words[-1:])


def described(value: object) -> str:
    """A value in a message: its kind and itself, short, on one line."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    name = "text" if isinstance(value, str) else "number"
    return f"{name} {shown(value)}"
