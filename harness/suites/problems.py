"""What is wrong in a suite file: where it stands, what was found, and what was expected."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.common import GateSettings, InputError, Problem, Sampling, nearest, shown
from harness.common.reading import first_problems
from harness.common.validation import described, in_words, one_each, told
from harness.common.yaml_positions import YamlDocument
from harness.scorers import BESIDE, UnknownScorerError, get
from harness.suites.schema import (
    CaseKeys,
    DefaultKeys,
    HaystackKeys,
    SuiteKeys,
    TurnKeys,
    keys_of,
)
from harness.suites.templates import Loc, TemplateError, is_template

# What the same thing is called elsewhere: in other harnesses, chat APIs and data sets.
_NAMES = {
    "user": ("prompt", "input", "question", "query", "instruction", "content", "text"),
    "turns": ("messages", "conversation", "dialogue", "chat"),
    "checks": (
        *("assert", "asserts", "assertions", "expect", "expected", "ideal", "target", "tests"),
        *("reference", "answer", "output", "scorers", "metrics", "criteria"),
    ),
    "cases": ("tests", "examples", "items", "samples", "prompts", "questions"),
    "from_file": ("file", "data", "dataset", "rows", "jsonl", "csv"),
    "path": ("file", "name", "source"),
    "case": ("template", "cases"),
    "haystack": ("needle", "needles", "niah"),
    "id": ("name", "key", "case"),
    "suite": ("name", "id", "title"),
    "vars": ("variables", "params", "parameters", "args"),
    "sampling": ("generation", "generation_config", "sampling_params", "decoding_params"),
    "gate": ("gates", "thresholds", "bars"),
    "max_new_tokens": ("max_tokens", "max_length", "n_predict"),
    "required": ("must_pass", "critical"),
    "tags": ("labels", "marks", "markers"),
    "repeats": ("repeat", "samples", "n", "runs"),
    "tools": ("functions", "function", "tool", "available_tools"),
    "results": ("tool_results", "tool_outputs", "responses", "mocks", "mock"),
    "returns": ("result", "output", "content", "value", "return"),
    "tool": ("name", "function"),
    "rank": ("r", "lora_r", "lora_rank"),
    "targets": ("target_modules",),
    "learning_rate": ("lr",),
    "epochs": ("num_train_epochs", "num_epochs"),
}
_CALLED = [(other, name) for name, others in _NAMES.items() for other in others]
# Parts of a file and what stands in them, the innermost first.
_PARTS: dict[tuple[str, ...], type[BaseModel]] = {
    ("sampling",): Sampling,
    ("gate",): GateSettings,
    ("case",): CaseKeys,
    ("haystack",): HaystackKeys,
    ("defaults",): DefaultKeys,
    ("defaults", "sampling"): Sampling,
}
# Parts of a file, and what stands around each: a key of that may have slipped in too deep.
_AROUND: dict[str, tuple[type[BaseModel], tuple[type[BaseModel], ...]]] = {
    "sampling": (Sampling, (DefaultKeys, CaseKeys)),
    "gate": (GateSettings, (SuiteKeys,)),
    "turns": (TurnKeys, (CaseKeys,)),
}


# Variables of well-known chat templates.
_OF_TEMPLATE = ("enable_thinking", "reasoning_effort", "preserve_thinking", "thinking")

# Settings of a LoRA as other trainers call them, and as this one does.
_OF_LORA = {name: name for name in ("rank", "alpha", "dropout", "targets", "rslora", "dora")}
_OF_LORA |= {"r": "rank", "lora_r": "rank", "lora_rank": "rank", "lora_alpha": "alpha"}
_OF_LORA |= {"lora_dropout": "dropout", "target_modules": "targets", "lora_target": "targets"}
_OF_LORA |= {"use_rslora": "rslora", "use_dora": "dora"}


def meant(key: str, known: Collection[str]) -> str:
    """Return the known key that `key` was probably meant to be, or an empty text."""
    called = (name for other, name in _CALLED if other == key and name in known)
    return next(called, "") or nearest(key, known)


def stands_in(key: str, known: Collection[str], *, in_check: bool = False) -> str:
    """Return where this key belongs, near the place where `known` ones stand; empty if nowhere.

    `in_check`: that place is among the arguments of a check.
    """
    if "chat_template_args" in known and key in _OF_TEMPLATE:
        return f"it belongs to chat_template_args: `chat_template_args: {{{key}: ...}}`"
    if set(known) == set(keys_of(Sampling)) and key in _OF_TEMPLATE:
        beside = f"`chat_template_args: {{{key}: ...}}`"
        return f"it belongs to chat_template_args, beside sampling: {beside}"
    if "lora" in known and key in _OF_LORA:
        return f"it belongs to lora: `lora: {{{_OF_LORA[key]}: ...}}`"
    for way, model in _PARTS.items():
        if way[0] in known and key in keys_of(model):
            inner = "{" + f"{key}: ..." + "}"
            for part in reversed(way[1:]):
                inner = "{" + f"{part}: {inner}" + "}"
            return f"it belongs to {way[0]}: `{way[0]}: {inner}`"
    if key in BESIDE and (in_check or {"cases", "checks", "examples"} & set(known)):
        return f"it belongs beside the name of a check: `{{contains: Lina, {key}: ...}}`"
    for part, (model, outer) in _AROUND.items():
        if set(known) == set(keys_of(model)) and any(key in keys_of(each) for each in outer):
            return f"it belongs beside {part}, one level up"
    if {"cases", "system_role"} & set(known) and key in keys_of(CaseKeys):  # the suite's, defaults
        return "it belongs to a case"
    if "assistant" in known and key in keys_of(TurnKeys):  # an example
        return "it belongs to a case or a turn"
    return ""


_LOOKED_AT = 500  # faults of one part of a file; the rest is counted
_NOTED = 5_000  # faults of a file
_SHOWN = 8  # lines of rows in one message
_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9.]+")  # in messages: what differs between rows
# Steps that say where a thing stands, not what it is.
_LISTS = ("cases", "checks", "from_file", "generate", "case", "haystack", "turns")


@dataclass(frozen=True, slots=True)
class Place:
    """What the problems of one part of a file share: its way from the top, and its case.

    A case that was made from a row of a data file has the line of that row, and the number of rows.
    """

    loc: Loc = ()
    case: str = ""
    line: int = 0
    rows: int = 0

    def below(self, *steps: str | int) -> Place:
        """Return a part of this part."""
        return replace(self, loc=(*self.loc, *steps))


class _Noted(NamedTuple):
    problem: Problem
    place: Place


class Problems:
    """The problems of one file, collected while it is read."""

    def __init__(self, document: YamlDocument) -> None:
        self._document = document
        self._found: list[_Noted] = []
        self._left_out = 0

    def __len__(self) -> int:
        return len(self._found) + self._left_out

    def add(self, place: Place, message: str, **parts: str) -> None:
        """Note one problem at a place of the suite file."""
        at = self._document.position(place.loc)
        problem = Problem(message, at.path, at.line, at.column, place.case, **parts)
        self._found.append(_Noted(problem, place))

    def add_key(self, place: Place, message: str, **parts: str) -> None:
        """Note one problem at the key of a place, not at its value."""
        at = self._document.position(place.loc, of_key=True)
        problem = Problem(message, at.path, at.line, at.column, place.case, **parts)
        self._found.append(_Noted(problem, place))

    def add_elsewhere(self, *problems: Problem) -> None:
        """Note problems that have their place already, perhaps in a data file."""
        self._found += [_Noted(problem, Place()) for problem in problems]

    def add_at(self, place: Place, problem: Problem) -> None:
        """Note a problem; where it has no place yet, it gets this one."""
        at = self._document.position(place.loc)
        here = replace(problem, path=at.path, line=at.line, column=at.column)
        self._found.append(_Noted(problem if problem.path else here, place))

    def add_template(self, place: Place, error: TemplateError) -> None:
        """Note a template that could not be rendered."""
        parts = {"found": error.found, "did_you_mean": error.did_you_mean, "hint": error.hint}
        self.add(place, error.message, **parts)

    def add_invalid(
        self,
        place: Place,
        error: ValidationError,
        model: type[BaseModel],
        known_wrong: Collection[Loc] = (),
    ) -> None:
        """Note all that pydantic found below a place, but for what a broken template causes."""
        rows = error.errors(include_url=False)
        for number, row in enumerate(one_each(rows)):
            # Those of rows are looked at: a fault that all rows have is one problem.
            if number >= _LOOKED_AT or (len(self._found) >= _NOTED and not place.rows):
                self._left_out += 1
                continue
            loc = row["loc"]
            if loc and any(loc[: len(w)] == w or w[: len(loc)] == loc for w in known_wrong):
                continue  # it follows from what is known to be wrong here, around or inside
            inside = (o for o in rows if len(o["loc"]) > len(loc) and o["loc"][: len(loc)] == loc)
            if row["type"] == "too_short" and any(inside):
                continue  # a list is too short only because entries of it are wrong
            loc = told(row)
            at = place.below(*loc)
            parts = _said(row, known_keys(model, loc[:-1]), name_of(at.loc))
            parts |= _of_template(self._document.value_at(at.loc), row, name_of(at.loc))
            (self.add_key if row["type"] == "extra_forbidden" else self.add)(at, **parts)

    def raise_any(self) -> None:
        """Raise InputError with the problems, in the order of the file, then of data files.

        The same fault at the same place, in every case that a template makes, is one problem. Of
        the file so many are told as `first_problems` does.
        """
        if not self._found:
            return
        groups: dict[tuple[str, int, int, str], list[_Noted]] = {}
        for noted in self._found:
            problem = noted.problem
            message = _VALUES.sub("", problem.message) if noted.place.rows else problem.message
            key = problem.path, problem.line, problem.column, message
            groups.setdefault(key, []).append(noted)
        own: list[Problem] = []
        elsewhere: list[Problem] = []
        for (problem, place), *others in groups.values():
            lines = dict.fromkeys([place.line, *(noted.place.line for noted in others)])
            more = len({noted.problem.case for noted in others} - {problem.case})
            case = f"{problem.case} and {more} more" if more else problem.case
            case = in_rows(problem.case, list(lines), place.rows) or case
            here = problem.path == self._document.path
            (own if here else elsewhere).append(replace(problem, case=case))
        own.sort(key=lambda problem: (problem.line, problem.column))
        # Those of data files were cut where they were read.
        raise InputError(*first_problems(own, self._document.path, self._left_out), *elsewhere)


def in_rows(case: str, lines: Sequence[int], rows: int) -> str:
    """Return a case and the rows that have the same fault; empty where one has it."""
    if len(lines) < 2 or not rows:
        return ""
    if len(lines) == rows:
        return f"{case}, in all {rows} rows"
    told = ", ".join(map(str, lines[:_SHOWN]))
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return f"{case}, in {len(lines)} of {rows} rows: lines {told}{more}"


def _said(row: ErrorDetails, known: Sequence[str], name: str) -> dict[str, str]:
    """Return the parts of a problem, but for its place; `name` is what has the wrong value."""
    kind, context = row["type"], row.get("ctx", {})
    if kind == "extra_forbidden":
        key = str(row["loc"][-1])
        belongs = stands_in(key, known, in_check="checks" in row["loc"])
        return {
            "message": f"key {shown(key)} is not known here",
            "did_you_mean": "" if belongs else meant(key, known),
            "hint": belongs or ("known keys: " + ", ".join(sorted(known)) if known else ""),
        }
    if kind == "unknown_check":
        hint = "use one of " + ", ".join(context["known"])
        return {"message": row["msg"], "did_you_mean": context["did_you_mean"], "hint": hint}
    return in_words(row, name)


def _of_template(written: object, row: ErrorDetails, name: str) -> dict[str, str]:
    """Return what a problem says instead, where a template's value is of another kind.

    It stands in quotes already, and nobody would look for the value in the file.
    """
    if not (isinstance(written, str) and is_template(written)):
        return {}
    parts = {"message": f"wrong value for {name!r}", "found": described(row["input"])}
    if row["type"] in ("text_wanted", "string_type"):
        text = re.sub(r"\s*}}", "|string }}", written)
        return {**parts, "expected": "a text", "hint": f"make it a text: {text}"}
    if row["type"] in ("list_wanted", "tuple_type"):
        return {**parts, "expected": "a list", "hint": f'put it in brackets: ["{written}"]'}
    return {}


def known_keys(model: type[BaseModel], loc: Loc) -> Sequence[str]:
    """Return the keys that may stand at this place of a file; empty where nobody can tell."""
    found: type[BaseModel] | None = model
    named = False  # whether the next step is a name that the user chose
    for step in loc:
        if isinstance(step, int) or named:
            named = False
            continue
        fields = {} if found is None else found.model_fields
        field = next((f for n, f in fields.items() if step in (n, f.alias)), None)
        if field is None:  # the name of a check
            try:
                found = get(step).args
            except UnknownScorerError:
                found = None
            continue
        found = _model_in(field.annotation)
        kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
        mapping = any(getattr(kind, "__origin__", None) in (dict, Mapping) for kind in kinds)
        named = found is not None and mapping
    return keys_of(found) if found else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    parts = getattr(annotation, "__args__", ())
    return next((found for part in parts if (found := _model_in(part))), None)


def name_of(loc: Loc) -> str:
    """Return the last two named steps: `sampling.temperature` says more than `temperature`."""
    words = [step for step in loc if isinstance(step, str)]
    told = [word for word in words if word not in _LISTS]
    return ".".join(told[-2:] or words[-1:])
