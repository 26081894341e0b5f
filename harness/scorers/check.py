"""A check as a suite file writes it: a scorer's name, its arguments, perhaps a weight.

- contains: Lina                       # a scalar or list is the first argument
- json_value: {path: $.total, equals: 19.99}
- not: {contains: "```"}
- {words: {max: 50}, weight: 2}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from harness.canonical import JsonValue
from harness.scorers.registry import Args, Scorer, UnknownScorerError, get
from harness.scorers.values import Answer, Context, Finding


@dataclass(frozen=True, slots=True)
class Check:
    """One assertion on an answer, with validated arguments."""

    scorer: Scorer
    args: Args
    weight: float = 1.0

    @property
    def name(self) -> str:
        """The scorer's name."""
        return self.scorer.name

    def as_json(self) -> dict[str, JsonValue]:
        """Canonical form, for hashes and reports: the name, the arguments that were given."""
        args = self.args.model_dump(mode="json", exclude_unset=True)
        return {self.name: args} if self.weight == 1.0 else {self.name: args, "weight": self.weight}

    def __call__(self, answer: Answer, context: Context) -> Finding:
        """Score one answer."""
        return self.scorer.function(answer, context, self.args)


def _parse(raw: object) -> Check:
    if isinstance(raw, Check):
        return raw
    name, arguments, weight = _split({raw: None} if isinstance(raw, str) else raw)
    try:
        found = get(name)
    except UnknownScorerError as error:
        context = {"name": name, "did_you_mean": error.did_you_mean, "known": list(error.known)}
        raise PydanticCustomError(
            "unknown_check", "check '{name}' is not known", context
        ) from error
    try:
        return Check(found, found.args.model_validate(_named(found, arguments)), weight)
    except ValidationError as error:
        raise _under(name, error) from error


def _split(raw: object) -> tuple[str, object, float]:
    """Name, arguments and weight of a check as YAML gives it."""
    names = [key for key in raw if key != "weight"] if isinstance(raw, Mapping) else []
    if not isinstance(raw, Mapping) or len(names) != 1 or not isinstance(names[0], str):
        raise PydanticCustomError(
            "check_form", "a check is one name with its arguments, like `contains: Lina`"
        )
    weight = raw.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight <= 0:
        raise PydanticCustomError("check_weight", "weight must be a number above 0")
    return names[0], raw[names[0]], float(weight)


def _named(scorer: Scorer, arguments: object) -> object:
    """Arguments as a mapping: a scalar or list is the scorer's first argument."""
    if arguments is None:
        return {}
    if isinstance(arguments, Mapping):
        return arguments
    if scorer.shorthand is None:
        raise PydanticCustomError(
            "check_arguments", "check '{name}' takes named arguments", {"name": scorer.name}
        )
    return {scorer.shorthand: arguments}


def _under(name: str, error: ValidationError) -> ValidationError:
    """The same errors, one level deeper, so that their location leads through the check's name."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError(
                row["type"],
                "{message}",
                {**row.get("ctx", {}), "message": row["msg"]},
            ),
            loc=(name, *row["loc"]),
            input=row["input"],
        )
        for row in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(name, details)


# The published schema of the suite format defines `check`, with every scorer's arguments.
CheckField = Annotated[
    Check,
    BeforeValidator(_parse),
    PlainSerializer(lambda check: check.as_json(), return_type=dict[str, Any]),
    WithJsonSchema({"$ref": "#/$defs/check"}),
]

_ADAPTER: TypeAdapter[Check] = TypeAdapter(CheckField)


def parse_check(raw: object) -> Check:
    """A check from its YAML form; raises pydantic's `ValidationError` with locations."""
    return _ADAPTER.validate_python(raw)
