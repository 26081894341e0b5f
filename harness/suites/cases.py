"""One case on its way from the file: templates rendered, keys and checks validated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from pydantic import ValidationError

from harness.common import Problem, nearest, plural
from harness.common.yaml_positions import Position, YamlDocument
from harness.scorers import (
    demanded_calls,
    expected_calls,
    held_together,
    impossible,
    never_with,
    reads_calls,
    tool_name,
    undeclared,
)
from harness.suites.haystack import Haystack
from harness.suites.problems import Place, Problems, in_rows
from harness.suites.rows import DataRow
from harness.suites.schema import CaseKeys, HaystackKeys, SuiteKeys
from harness.suites.script import script_of
from harness.suites.templates import (
    Failed,
    Loc,
    TemplateError,
    is_template,
    render_below,
    render_text,
)
from harness.suites.values import MOST_STEPS, Case, Named, Prefer, Turn

_TEXTS = ("id", "system", "user", "prefix", "cluster", "tags", "prefer")
# In these, one expression alone keeps its type.
_VALUES = ("checks", "tools", "results", "tool_calls", "returns")
_LISTED = ("turns", "examples")  # each entry has texts and values of its own


def render_case(raw: Mapping[str, Any], variables: Mapping[str, Any], failed: Failed) -> Any:
    """Return the case with its texts rendered; inside checks, one expression alone keeps its type.

    Nothing else is a template: not `sampling`, and not `vars`, whose values stay as they are.
    """
    rendered = dict(raw)
    for key, value in raw.items():
        if key in _TEXTS:
            rendered[key] = render_below(value, variables, failed, (key,), keep_types=False)
        elif key in _VALUES:
            rendered[key] = render_below(value, variables, failed, (key,))
        elif key in _LISTED and isinstance(value, list):
            rendered[key] = render_listed(value, variables, failed, (key,))
    return rendered


def render_listed(
    entries: Sequence[Any], variables: Mapping[str, Any], failed: Failed, loc: Loc
) -> list[Any]:
    """Return turns or examples, rendered as a case is."""
    return [
        {
            key: render_below(part, variables, failed, (*loc, index, key), key in _VALUES)
            for key, part in entry.items()
        }
        if isinstance(entry, dict)
        else entry
        for index, entry in enumerate(entries)
    ]


def render_inherited(
    raw: Mapping[str, Any], suite: SuiteKeys, variables: Mapping[str, Any], failed: Failed
) -> dict[str, Any]:
    """Return what the case does not say and the suite says for all.

    That is `system`, `cluster` and `examples`, and of `prefer` what the case leaves out.
    """
    inherited = {"system": suite.defaults.system, "cluster": suite.cluster}
    places: Mapping[str, Loc] = {"system": ("defaults", "system"), "cluster": ("cluster",)}
    found: dict[str, Any] = {
        key: render_below(text, variables, failed, places[key], keep_types=False)
        for key, text in inherited.items()
        if text is not None and key not in raw
    }
    if suite.defaults.examples and "examples" not in raw:
        said = [each.model_dump(exclude_unset=True) for each in suite.defaults.examples]
        found["examples"] = render_listed(said, variables, failed, ("defaults", "examples"))
    own = raw.get("prefer", {})
    if suite.prefer and isinstance(own, Mapping):
        preferred = suite.prefer.model_dump(exclude_unset=True)
        missing = {key: text for key, text in preferred.items() if key not in own}
        shared = render_below(missing, variables, failed, ("prefer",), keep_types=False)
        found["prefer"] = {**shared, **own}
    return found


class _Miss(NamedTuple):
    place: Place
    error: TemplateError
    origin: Position


class MissingKeys:
    """Collects them for one data file: a key that no row has is the template's mistake."""

    def __init__(self, name: str, rows: Sequence[DataRow]) -> None:
        self._name, self.rows = name, len(rows)
        self._misses: dict[tuple[Loc, str], list[_Miss]] = {}

    def add(self, place: Place, error: TemplateError, origin: Position) -> None:
        """Note a template at `place` that wants a key which the row at `origin` has not."""
        key = place.loc, error.row_key
        self._misses.setdefault(key, []).append(_Miss(place, error, origin))

    def report(self, problems: Problems, document: YamlDocument) -> None:
        """Note a template that is wrong for all rows, and else the first of the wrong rows."""
        for (_, key), misses in self._misses.items():
            place, error, origin = misses[0]
            if len(misses) >= self.rows:
                message = f"no row of {self._name} has a key {key!r}"
                close, hint = error.did_you_mean, error.hint
                problems.add(Place(place.loc), message, did_you_mean=close, hint=hint)
                continue
            used = document.position(place.loc)
            lines = [miss.origin.line for miss in misses]
            problems.add_elsewhere(
                Problem(
                    error.message,
                    origin.path,
                    origin.line,
                    case=in_rows(place.case, lines, self.rows) or place.case,
                    expected=f"used at {used.path}:{used.line}:{used.column}",
                    did_you_mean=error.did_you_mean,
                    hint=error.hint,
                )
            )


def new_case(
    suite: SuiteKeys,
    keys: CaseKeys,
    turns: tuple[Turn, ...],
    position: Position,
    haystack: Haystack | None = None,
    prefer_at: Position | None = None,
) -> Case:
    """Return the case; what it does not say itself comes from the suite's defaults."""
    defaults = suite.defaults
    return Case(
        id=keys.id,
        suite=suite.suite,
        category=suite.category,
        position=position,
        turns=turns,
        system=keys.system,
        tags=tuple(dict.fromkeys((*defaults.tags, *keys.tags))),
        required=keys.required,
        sampling=defaults.sampling.override(keys.sampling),
        repeats=_or(keys.repeats, defaults.repeats),
        threshold=_or(keys.threshold, defaults.threshold),
        cluster=keys.cluster,
        allow_empty=_or(keys.allow_empty, defaults.allow_empty),
        time_limit=_or(keys.time_limit, defaults.time_limit),
        decoding=_or(keys.decoding, suite.decoding),
        reasoning_parser=_or(keys.reasoning_parser, defaults.reasoning_parser),
        template_args={**defaults.chat_template_args, **keys.chat_template_args},
        system_role=_or(keys.system_role, defaults.system_role),
        tool_choice=_or(keys.tool_choice, suite.tool_choice),
        haystack=haystack,
        tools=_or(keys.tools, suite.tools),
        prefer=Prefer(
            keys.prefer.rubric,
            keys.prefer.backend,
            keys.prefer.reference,
            prefer_at or position,
            keys.prefer.min_agreement,
        )
        if keys.prefer
        else None,
    )


def check_turns(case: Case, keys: CaseKeys, place: Place, problems: Problems) -> None:
    """Note what cannot be in the turns: tools that are not declared, a prefix under a schema."""
    tools = {tool_name(tool): tool for tool in case.tools}
    choice = case.tool_choice
    if choice not in ("auto", "none", "required", *tools):
        message = f"tool_choice names {choice!r}, and the case declares no such tool"
        hint = "auto, required, none, or the name of a declared tool"
        problems.add(
            place.below("tool_choice"), message, did_you_mean=nearest(choice, tools), hint=hint
        )
    elif choice in ("required",) and not tools:
        problems.add(
            place.below("tool_choice"),
            "tool_choice: required, and the case declares no tools",
            hint="declare them: `tools: [...]`",
        )
    asked = [
        ("turns", number) for number, turn in enumerate(keys.turns or ()) if turn.assistant is None
    ]
    for number, turn in enumerate(case.turns):
        here = place.below(*asked[number]) if keys.turns is not None else place
        before = len(problems)
        if turn.prefix and case.decoding == "constrained":
            problems.add(
                here.below("prefix"),
                "decoding: constrained holds all that the model writes to the schema, and a prefix "
                "stands before it",
                hint="leave out one of them: `decoding: free` in this case",
            )
        for at, check in enumerate(turn.checks):
            message = hint = ""
            most = MOST_STEPS if turn.results else 1
            if not tools and reads_calls(check):
                message = f"check {check.name!r} reads calls of tools, and the case declares none"
                hint = "declare them: `tools: [...]`"
            elif not tools and check.step is not None:
                message = f"check {check.name!r} reads step {check.step}, and there is one answer"
                hint = (
                    "leave `step` out: there are several answers to a turn where tools are called"
                )
            elif check.step is not None and not -most <= check.step < most:
                there = plural(most, "answer") if most == 1 else f"at most {most} answers"
                message = f"check {check.name!r} reads step {check.step}, and a turn has {there}"
                hint = "" if turn.results else "without `results` a turn ends with its first answer"
            if message:
                problems.add(here.below("checks", at), message, hint=hint)
            for wanted, valid in expected_calls(check) if tools else ():
                message, close, hint = undeclared(wanted, tools)
                if not message and valid:
                    message, close = impossible(wanted, tools[wanted.name])
                    hint = "such a check never holds; `valid: false` leaves the schema out"
                if message:
                    where = here.below("checks", at)
                    problems.add(where, message, did_you_mean=close, hint=hint)
        if not tools or len(problems) > before:
            continue  # what is wrong by itself is told alone
        for at, check in enumerate(turn.checks):
            where = here.below("checks", at)
            for one, step in held_together([check]):
                # Every turn's first answer is forced; a check without a step reads them all.
                forced = "" if choice == "required" else choice
                if choice in ("required", *tools) and step in (None, 0) and never_with(one, forced):
                    message = f"check {one.name!r} never holds under tool_choice: {choice}"
                    problems.add(where, message, hint="leave out one of them")
                wanted_calls = tuple(dict.fromkeys(demanded_calls(one)))
                if wanted_calls and choice == "none":
                    message = f"check {one.name!r} never holds under tool_choice: none"
                    problems.add(where, message, hint="leave out one of them")
                    continue
                for name in wanted_calls if case.threshold is None else ():
                    against = (
                        other.name
                        for other, its_step in held_together(turn.checks)
                        if its_step in (None, step) and never_with(other, name)
                    )
                    if other := next(against, ""):
                        what = f"a call of {name!r}" if name else "a call"
                        message = f"check {one.name!r} wants {what}, and then {other!r} beside it "
                        hint = "leave out one of them"
                        if other != "no_tool_call":
                            hint = "calls that stand together: `others: true`, or one `tool_calls`"
                        problems.add(where, f"{message}never holds", hint=hint)


def haystack_case(keys: HaystackKeys, haystack: Haystack) -> dict[str, Any]:
    """Return a haystack as a case of the file, without its question: that is no template.

    It gets no cluster of its own. Filler, keys and values are drawn from the case's id, so no two
    haystacks share a text, each is an item by itself, and the test over single cases is right.
    Where an author knows better (one seed at all depths, say), `cluster` says so.
    """
    own = {"tags", "required", "sampling", "repeats", "cluster", "system"} & keys.model_fields_set
    checks = keys.checks
    if not checks:  # the hidden values are found, and not guessed
        beside: dict[str, Any] = (
            {"others": list(haystack.other_values)} if haystack.other_values else {}
        )
        if haystack.task == "counting":
            beside = {"only": True}
        if len(haystack.values) == 1:
            checks = [{"needle": {"value": haystack.values[0], **beside}}]
        else:
            checks = [{"needles": {"values": list(haystack.values), **beside}}]
    return {"id": haystack.id, "checks": checks, **{name: getattr(keys, name) for name in own}}


def haystack_variables(haystack: Haystack) -> dict[str, Any]:
    """Return what templates of a haystack family see as `haystack`."""
    return {
        "id": haystack.id,
        "question": haystack.question,
        "values": list(haystack.values),
        "distractors": list(haystack.other_values),
        "length": haystack.length,
        "depth": haystack.depth,
        "seed": haystack.seed,
    }


def _or(own: Any, default: Any) -> Any:
    return default if own is None else own


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
        self, suite: SuiteKeys, document: YamlDocument, context: dict[str, Any], problems: Problems
    ) -> None:
        self._suite, self._document = suite, document
        self._context = {**context, "tools": {tool_name(tool): tool for tool in suite.tools}}
        self._problems = problems
        self.names: list[Named] = []

    def read(self, draft: Draft) -> Case | None:
        """Return the case; None where something in it is wrong."""
        place = draft.place
        wrong: set[Loc] = set()
        rendered = draft.raw
        if isinstance(rendered, dict):
            own = _own(draft)
            variables = {**self._suite.vars, **own, **draft.given}
            inside = self._noting(draft, variables, place.loc, wrong)
            above = self._noting(draft, variables, (), wrong)
            rendered = render_case(draft.raw, variables, inside)
            place = _place_of(draft, rendered.get("id", ""))
            check_names(own, place, self._problems)
            if draft.haystack:
                rendered["user"] = draft.haystack.question
            inherited = render_inherited(rendered, self._suite, variables, above)
            rendered |= inherited
        try:
            keys = CaseKeys.model_validate(rendered, context=self._context)
        except ValidationError as error:
            self._problems.add_invalid(place, error, CaseKeys, wrong)
            return None
        if not same_id(draft):
            self.names.append(Named(keys.id, draft.origin))
        if wrong:
            return None
        of_row = draft.missing is not None
        position = self._document.position(place.loc) if of_row else draft.origin
        prefer_at = None
        if keys.prefer:
            asked = (*place.loc, "prefer") if "prefer" in draft.raw else ("prefer",)
            prefer_at = self._document.position(asked, of_key=True)
        before = len(self._problems)
        tools = _or(keys.tools, self._suite.tools)
        script = script_of(keys, {tool_name(tool): tool for tool in tools})
        for fault in script.faults:
            # Examples that the case does not give itself are the suite's.
            of_suite = fault.loc[:1] == ("examples",) and "examples" not in draft.raw
            self._problems.add(
                (replace(place, loc=("defaults",)) if of_suite else place).below(*fault.loc),
                fault.message,
                did_you_mean=fault.did_you_mean,
                hint=fault.hint,
            )
        if len(self._problems) > before:
            return None
        case = new_case(self._suite, keys, script.turns, position, draft.haystack, prefer_at)
        check_turns(case, keys, place, self._problems)
        return None if len(self._problems) > before else case

    def _noting(
        self, draft: Draft, variables: Mapping[str, Any], base: Loc, wrong: set[Loc]
    ) -> Failed:
        """Return a function that notes the templates below `base` which cannot be rendered."""

        def failed(loc: Loc, error: TemplateError) -> None:
            wrong.add(loc)
            name = draft.raw.get("id", "")
            with suppress(TemplateError):
                name = render_text(name, variables) if isinstance(name, str) else ""
            place = replace(_place_of(draft, name), loc=(*base, *loc))
            if error.row_key and draft.missing:
                draft.missing.add(place, error, draft.origin)
            else:
                self._problems.add_template(place, error)

        return failed


def _place_of(draft: Draft, name: object) -> Place:
    """Return the place of a case, which messages call by its id and by its row, if it has one."""
    case = name if isinstance(name, str) else ""
    if draft.missing:
        case = f"{case} ({draft.origin.path}:{draft.origin.line})".strip()
    rows = draft.missing.rows if draft.missing else 0
    return Place(draft.place.loc, case, draft.origin.line, rows)


def same_id(draft: Draft) -> bool:
    """Return whether all rows of a data file make a case of this id."""
    name = draft.raw.get("id") if isinstance(draft.raw, dict) else None
    several = draft.missing is not None and draft.missing.rows > 1
    return several and isinstance(name, str) and not is_template(name)


def _own(draft: Draft) -> Mapping[str, Any]:
    """Return the variables of the case itself; none where `vars` is no mapping."""
    own = draft.raw.get("vars")
    return own if isinstance(own, dict) else {}


def check_names(variables: Mapping[str, Any], place: Place, problems: Problems) -> None:
    """Note the names under `vars` that no template could use."""
    for name in variables:
        if name in GIVEN or not _VARIABLE.fullmatch(name):
            message = f"{name!r} cannot be the name of a variable"
            hint = "choose another name" if name in GIVEN else "use letters, digits and _"
            problems.add_key(place.below("vars", name), message, hint=hint)
