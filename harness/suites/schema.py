"""The suite file as it is written: pydantic models of its keys. `harness schema` prints them.

A case is validated after its templates were rendered, so the lists of cases stay raw here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import models_json_schema
from pydantic_core import PydanticCustomError

from harness.common import FixSettings, GateSettings, Sampling, TemplateArgs, nearest
from harness.scorers import (
    CheckField,
    Conditions,
    ReasoningParser,
    ToolProblemError,
    callable_tool,
    tool_name,
    with_checks,
)
from harness.suites.haystack import HaystackSpec

MAX_CASES = 100_000  # of one suite; nobody waits for more answers than that
MAX_HAYSTACKS = 10_000  # of one family

# Stand for parts of the file in the JSON Schema of these models; `published` fills them in.
CASE_MARK = {"$comment": "a case"}
ROWS_MARK = {"$comment": "rows"}
GENERATE_MARK = {"$comment": "a family"}
CHECKS_MARK = {"type": "array", "items": {"$comment": "a check"}}
TEMPLATE = {"type": "string", "pattern": r"\{\{|\{%|\{#"}

_NAME = r"^[A-Za-z0-9_.-]+$"
_Name = Field(pattern=_NAME, max_length=200)
Name = Annotated[str, _Name]
_NAMED = {"type": "string", "pattern": _NAME, "maxLength": 200}
_NAMED_OR_TEMPLATE = {"anyOf": [_NAMED, TEMPLATE]}
RenderedName = Annotated[str, _Name, WithJsonSchema(_NAMED_OR_TEMPLATE)]
Tags = Annotated[tuple[RenderedName, ...], Strict(False)]
Checks = Annotated[tuple[CheckField, ...], Strict(False)]
RawChecks = Annotated[list[Any], WithJsonSchema(CHECKS_MARK)]
Cluster = Annotated[str, Field(min_length=1)]
Decoding = Literal["free", "constrained"]
Repeats = Annotated[int, Field(ge=1, le=1000)]
Threshold = Annotated[float, Field(ge=0, le=1)]
TimeLimit = Annotated[float, Field(gt=0)]


def _tool(raw: object, info: ValidationInfo) -> dict[str, Any]:
    """Return a tool in OpenAI's form, or the suite's own of this name."""
    toolbox: Mapping[str, Any] = (info.context or {}).get("tools", {})
    if isinstance(raw, str) and (toolbox or info.context is not None):
        if raw in toolbox:
            return dict(toolbox[raw])
        close = nearest(raw, toolbox)
        hint = f", did you mean {close!r}?" if close else ": tools of the suite stand under `tools`"
        raise _wrong(f"tool {raw!r} is not declared{hint}")
    try:
        return callable_tool(raw)
    except ToolProblemError as error:
        raise ValidationError.from_exception_data(
            "tool", [{"type": _wrong(error.message), "loc": error.loc, "input": raw}]
        ) from None


def _distinct(tools: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    named = [tool_name(tool) for tool in tools]
    for name in named:
        if named.count(name) > 1:
            raise _wrong(f"tool {name!r} stands twice")
    return tools


_TOOL_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "object"}]}
# `auto`, `required`, `none`, or the name of the tool that must be called.
ToolChoice = Annotated[str, Field(min_length=1)]
ToolField = Annotated[dict[str, Any], BeforeValidator(_tool), WithJsonSchema(_TOOL_SCHEMA)]
Tools = Annotated[tuple[ToolField, ...], Strict(False), AfterValidator(_distinct)]


class _Keys(BaseModel):
    """Strict: a text is no number here, and `yes` is a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ResultKeys(_Keys):
    """What a call of a tool gives back: of `tool`, with `arguments` like these where they are said.

    `returns` is a text, or a value that is written as JSON.
    """

    tool: str
    arguments: Conditions | None = None
    returns: Any


Results = Annotated[tuple[ResultKeys, ...], Strict(False)]


class CallKeys(_Keys):
    """A scripted call of a tool."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


Calls = Annotated[tuple[CallKeys, ...], Strict(False)]


class ExampleKeys(_Keys):
    """A message, or a user's and the assistant's answer to it, before the case's own turns.

    `tool` and `returns` are what a call gave back that stands before them.
    """

    user: str | None = None
    assistant: str | None = None
    tool_calls: Calls = ()
    tool: str | None = None
    returns: Any = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        spoken = self.user is not None or self.assistant is not None or bool(self.tool_calls)
        returned = "returns" in self.model_fields_set
        if (self.tool is not None) != returned or spoken == (self.tool is not None):
            raise _wrong("an example is `user`, `assistant` or both, or `tool` with `returns`")
        return self


Examples = Annotated[tuple[ExampleKeys, ...], Strict(False)]
SystemRole = Literal["native", "merge"]


class TurnKeys(_Keys):
    """One scripted user turn, what tools give back in it, and the checks on the answer to it.

    With `assistant` its answer is scripted as well, and no model is asked.
    """

    user: str
    assistant: str | None = None
    prefix: Annotated[str, Field(min_length=1, pattern=r"\S")] | None = None
    tool_calls: Calls = ()
    results: Results = ()
    checks: Checks = ()

    @model_validator(mode="after")
    def _asked_or_fixed(self) -> Self:
        if self.assistant is not None and self.checks:
            raise _wrong("a turn whose answer is fixed has no checks: `assistant` is its answer")
        if self.assistant is not None and self.prefix is not None:
            raise _wrong("a turn has `assistant`, its whole answer, or `prefix`, its beginning")
        return self


class DefaultKeys(_Keys):
    """What holds for every case that does not say otherwise; tags are added."""

    system: str | None = None
    sampling: Sampling = Sampling()
    repeats: Repeats = 1
    tags: Annotated[tuple[Name, ...], Strict(False)] = ()
    threshold: Threshold | None = None
    time_limit: TimeLimit | None = None
    allow_empty: bool = False
    chat_template_args: TemplateArgs = Field(default_factory=dict)
    reasoning_parser: ReasoningParser | None = None
    examples: Examples = ()
    system_role: SystemRole = "native"


class PreferKeys(_Keys):
    """Another model says which of two answers is better: the candidate's or the baseline's.

    In a case, what is left out is what the suite says. `min_agreement`: the kappa with people that
    the judge must have shown, or a pass is inconclusive.
    """

    rubric: Annotated[str, Field(min_length=1, pattern=r"\S")]
    backend: str = ""
    reference: str = ""
    min_agreement: Annotated[float, Field(gt=0, le=1)] | None = None


_ONE_CONVERSATION: dict[str, Any] = {"oneOf": [{"required": ["user"]}, {"required": ["turns"]}]}
_SOME_CASES: dict[str, Any] = {
    "anyOf": [{"required": [key]} for key in ("cases", "from_file", "generate")]
}


class CaseKeys(_Keys):
    """One case: a `user` text with `checks`, or several `turns`.

    `threshold`: the score from which the case passes; without it all checks must hold.
    `time_limit`: seconds for the whole conversation. `cluster`: cases that share it are no
    independent evidence, and are tested together.
    """

    model_config = ConfigDict(json_schema_extra=_ONE_CONVERSATION)

    id: RenderedName
    tags: Tags = ()
    required: bool = False
    system: str | None = None
    user: str | None = None
    turns: Annotated[tuple[TurnKeys, ...], Strict(False), Field(min_length=1)] | None = None
    examples: Examples | None = None
    prefix: Annotated[str, Field(min_length=1, pattern=r"\S")] | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    tool_calls: Calls = ()
    results: Results = ()
    checks: Checks = ()
    vars: dict[str, Any] = Field(default_factory=dict)
    sampling: Sampling | None = None
    repeats: Repeats | None = None
    threshold: Threshold | None = None
    time_limit: TimeLimit | None = None
    allow_empty: bool | None = None
    cluster: Cluster | None = None
    decoding: Decoding | None = None
    chat_template_args: TemplateArgs = Field(default_factory=dict)
    reasoning_parser: ReasoningParser | None = None
    system_role: SystemRole | None = None
    prefer: PreferKeys | None = None

    @model_validator(mode="after")
    def _one_conversation(self) -> Self:
        if self.id == "gate":
            raise _wrong("no case may be called 'gate': that is the name of the suite's verdict")
        if (self.user is None) == (self.turns is None):
            both = "neither" if self.user is None else "both"
            raise _wrong(f"a case has either user or turns; this has {both}")
        if self.turns is not None and self.checks:
            raise _wrong("with turns, checks stand in the turn whose answer they are about")
        if self.turns is not None and self.results:
            raise _wrong("with turns, results stand in the turn in which tools are called")
        if self.turns is not None and (self.prefix is not None or self.tool_calls):
            name = "tool_calls stand" if self.tool_calls else "a prefix stands"
            raise _wrong(f"with turns, {name} in the turn whose answer it is about")
        if not self.checks and not any(turn.checks for turn in self.turns or ()):
            more = "; prefer compares two answers and is no check" if self.prefer else ""
            raise _wrong(f"the case has no checks{more}")
        return self


class RowsKeys(_Keys):
    """One case per row of a JSONL or CSV file: `row` is the row in the templates of `case`."""

    path: Annotated[str, Field(min_length=1)]
    case: Annotated[dict[str, Any], WithJsonSchema(CASE_MARK)]


def _one_or_several(schema: dict[str, Any]) -> None:
    """`lengths: 512` is short for `lengths: [512]`."""
    for name in ("lengths", "depths"):
        several = schema["properties"][name]
        schema["properties"][name] = {"anyOf": [several, several["items"]]}


class HaystackKeys(HaystackSpec):
    """A family of haystacks, and what holds for each of its cases.

    Without `checks`, the hidden values must be in the answer, and none of the numbers that only
    look like them; where something is counted, no other number at all. In `checks`, `system`,
    `tags` and `cluster`, `haystack` has `id`, `question`, `values`, `distractors` (the values that
    are not asked for), `length`, `depth` and `seed`.
    """

    model_config = ConfigDict(json_schema_extra=_one_or_several)

    checks: RawChecks = Field(default_factory=list)
    tags: list[Annotated[Any, WithJsonSchema(_NAMED_OR_TEMPLATE)]] = Field(default_factory=list)
    system: str | None = None
    required: Annotated[bool, Strict()] = False
    sampling: Sampling | None = None
    repeats: Annotated[Repeats, Strict()] | None = None
    cluster: Cluster | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        number = math.prod([len(self.lengths), len(self.depths), self.seeds])
        if number > MAX_HAYSTACKS:
            raise _wrong(f"these are {number} haystacks; one family has at most {MAX_HAYSTACKS}")
        return self


class GenerateKeys(_Keys):
    """One seeded family of cases."""

    haystack: HaystackKeys


class SuiteKeys(_Keys):
    """A suite: cases of one category, and the bars that a candidate must pass.

    `fix` says where training rows for a repair come from, `retire` names cases that moved there:
    they gate no more. `cluster`, `decoding` and `tools` hold for cases that do not say otherwise.
    """

    model_config = ConfigDict(json_schema_extra=_SOME_CASES)

    suite: Name
    category: Name
    description: str = ""
    defaults: DefaultKeys = DefaultKeys()
    vars: dict[str, Any] = Field(default_factory=dict)
    gate: GateSettings = GateSettings()
    tools: Tools = ()
    tool_choice: ToolChoice = "auto"
    cases: list[Annotated[Any, WithJsonSchema(CASE_MARK)]] = Field(default_factory=list)
    from_file: list[Annotated[Any, WithJsonSchema(ROWS_MARK)]] = Field(default_factory=list)
    generate: list[Annotated[Any, WithJsonSchema(GENERATE_MARK)]] = Field(default_factory=list)
    cluster: Cluster | None = None
    decoding: Decoding = "free"
    prefer: PreferKeys | None = None
    fix: FixSettings | None = None
    retire: list[Name] = Field(default_factory=list)


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("suite", "{message}", {"message": message})


def keys_of(model: type[BaseModel]) -> Sequence[str]:
    """Return the keys that a model takes, as a file writes them."""
    return [field.alias or name for name, field in model.model_fields.items()]


DIALECT = "https://json-schema.org/draft/2020-12/schema"
# The marks of `file_models`, and the models that they stand for.
_PARTS = {"a case": "CaseKeys", "rows": "RowsKeys", "a family": "GenerateKeys"}
_PLAIN_TEXT = {"type", "description", "default", "minLength"}


def json_schema() -> dict[str, Any]:
    """Return the schema of a whole suite file, with every registered check in all its forms."""
    models = (SuiteKeys, CaseKeys, RowsKeys, GenerateKeys)
    _, found = models_json_schema([(model, "validation") for model in models])
    linked: dict[str, Any] = _linked(_untitled(found["$defs"]))
    top = linked.pop("SuiteKeys")
    filled = with_checks({"$schema": DIALECT, "title": "suite", **top, "$defs": linked})
    definitions = filled["$defs"]
    checks = {name: part for name, part in definitions.items() if name not in linked}
    checks = _templated(_untitled(checks))
    return {**filled, "$defs": {**definitions, **checks}}


def _untitled(value: Any) -> Any:
    """Return a copy without the titles that pydantic makes from names."""
    if isinstance(value, list):
        return [_untitled(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {
        key: _untitled(item)
        for key, item in value.items()
        if key != "title" or not isinstance(item, str)
    }


def _linked(value: Any) -> Any:
    """Return a copy with every mark of a part replaced by a reference to it."""
    if isinstance(value, Mapping):
        part = _PARTS.get(str(value.get("$comment")))
        return (
            {"$ref": f"#/$defs/{part}"}
            if part
            else {key: _linked(item) for key, item in value.items()}
        )
    return [_linked(item) for item in value] if isinstance(value, list) else value


def _templated(value: Any) -> Any:
    """Return a copy in which a template may stand for every value in a check.

    Templates are rendered before checks are validated, so `min: "{{ row.least }}"` is right.
    """
    if isinstance(value, list):
        return [_templated(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    copy = {key: _templated(item) for key, item in value.items()}
    if isinstance(copy.get("properties"), Mapping):
        copy["properties"] = {key: _or_template(item) for key, item in copy["properties"].items()}
    if isinstance(copy.get("items"), Mapping):
        copy["items"] = _or_template(copy["items"])
    return copy


def _or_template(schema: Any) -> Any:
    if not isinstance(schema, Mapping) or not schema or "$ref" in schema:
        return schema
    if schema.get("type") == "string" and schema.keys() <= _PLAIN_TEXT:
        return schema
    said = {key: schema[key] for key in ("description", "default") if key in schema}
    return {**said, "anyOf": [schema, TEMPLATE]}
