"""A check as a suite file writes it: a scorer's name, its arguments, perhaps a weight.

- contains: Lina                       # a scalar or list is the first argument
- json_value: {path: $.total, equals: 19.99}
- not: {contains: "```"}
- {words: {max: 50}, weight: 2}
- {no_prompt_leak: {}, read: reasoning}   # reads the reasoning instead of the answer
- {contains: checking, step: 0}           # reads the first of the answers to a turn, with tools

Everything that a check needs is read and compiled here, at load time: scoring touches no file and
imports no module. What it may read is said by the caller, in pydantic's validation context: see
`load_context`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from pydantic import (
    BeforeValidator,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from harness.common import (
    ANSWER_CHARS,
    KEYS_COMPARED,
    REASON_CHARS,
    JsonValue,
    nearest,
    plural,
    shown,
)
from harness.scorers.call_expectations import reads_calls
from harness.scorers.registry import Args, Scorer, UnknownScorerError, get, parts_of
from harness.scorers.values import Answer, Context, Finding, Question, verdict


@dataclass(frozen=True, slots=True)
class Check:
    """One assertion on an answer, with validated arguments.

    `read` is "reasoning" where it reads that instead of the answer; `step` says which of the
    answers to the turn it reads, from 0, or from the last one, -1, where that is not the last.
    """

    scorer: Scorer
    args: Args
    weight: float = 1.0
    read: Literal["", "reasoning"] = ""
    step: int | None = None

    @property
    def name(self) -> str:
        """Return the scorer's name."""
        return self.scorer.name

    def as_json(self) -> dict[str, JsonValue]:
        """Canonical form, for hashes and reports: the name, the arguments that were given."""
        args = self.args.model_dump(mode="json", exclude_unset=True, by_alias=True)
        weight = {} if self.weight == 1.0 else {"weight": self.weight}
        step = {} if self.step is None else {"step": self.step}
        return {self.name: args, **weight, **({"read": self.read} if self.read else {}), **step}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what cannot go well with this check, or with one inside it."""
        own = self.scorer.warns(self.args) if self.scorer.warns else ()
        nested = (text for check in self.inner for text in check.warnings)
        return (*(f"{self.name}: {text}" for text in own), *nested)

    @property
    def inner(self) -> tuple[Check, ...]:
        """Return the checks among its arguments."""
        return tuple([part for part in parts_of(self.args) if isinstance(part, Check)])

    def __call__(self, answer: Answer, context: Context) -> Finding:
        """Score one answer; cannot tell where it is longer than any model writes.

        Nor can a check of the reasoning where there is none: a model that does not reason, and a
        server that keeps it to itself, look the same.
        """
        if (asked := self._asked(answer)) is None:
            count = plural(len(answer.steps) or 1, "answer")
            return verdict(False, f"there is no step {self.step}: the turn has {count}")
        answer = asked
        if self.read == "reasoning":
            if not answer.reasoning:
                return verdict(None, "cannot tell: there is no reasoning")
            answer = replace(answer, text=answer.reasoning, raw=answer.reasoning)
        if len(answer.text) > ANSWER_CHARS:
            length = f"the answer has {len(answer.text)} characters"
            return verdict(None, f"cannot tell: {length}, checks read {ANSWER_CHARS}")
        found = self.scorer.function(answer, context, self.args)
        if len(found.reason) > REASON_CHARS:
            return replace(found, reason=f"{found.reason[:REASON_CHARS]}...")
        return found

    def questions(self, answer: Answer, context: Context) -> tuple[Question, ...]:
        """Return what this check, or a check inside it, wants to know from another model first."""
        if (asked := self._asked(answer)) is None:
            return ()
        answer = asked
        if self.read == "reasoning":
            if not answer.reasoning:
                return ()
            answer = replace(answer, text=answer.reasoning, raw=answer.reasoning)
        return self.scorer.asks(answer, context, self.args) if self.scorer.asks else ()

    def _asked(self, answer: Answer) -> Answer | None:
        """Return the answer to the turn that it reads; None where there were not so many."""
        if self.step is None:
            return answer
        steps = answer.steps or (answer,)
        return steps[self.step] if -len(steps) <= self.step < len(steps) else None


def load_context(root: Path | None = None, modules: Iterable[str] = ()) -> dict[str, Any]:
    """Return the validation context for models with `CheckField`s, as `parse_check` passes it on.

    root: the folder that paths in checks are relative to (the suite file's own); without it no
    check may name a file. modules: the Python modules that the user's configuration allows
    `python` checks to use, with everything below them; a suite file alone allows none.
    """
    return {"root": root, "modules": frozenset(modules)}


def _parse(raw: object, info: ValidationInfo) -> Check:
    if isinstance(raw, Check):
        return raw
    name, arguments, beside = _split({raw: None} if isinstance(raw, str) else raw)
    try:
        found = get(name)
    except UnknownScorerError as error:
        context = {"name": name, "did_you_mean": error.did_you_mean, "known": list(error.known)}
        raise PydanticCustomError(
            "unknown_check", "check '{name}' is not known", context
        ) from error
    short = _is_short(found, arguments)
    try:
        named = _named(found, arguments, short)
        check = Check(found, found.args.model_validate(named, context=info.context), *beside)
    except RecursionError:
        raise PydanticCustomError("check_depth", "the checks nest too deep") from None
    except ValidationError as error:
        raise _under(name, error, found.shorthand if short else None) from error
    if check.read and reads_calls(check):
        raise PydanticCustomError(
            "check_read", "check '{name}' reads calls of tools, and no reasoning", {"name": name}
        )
    return check


BESIDE = ("weight", "read", "step")  # what may stand beside the name of a check


def _split(
    raw: object,
) -> tuple[str, object, tuple[float, Literal["", "reasoning"], int | None]]:
    """Return name, arguments and what stands beside them, of a check as YAML gives it."""
    names = [key for key in raw if key not in BESIDE] if isinstance(raw, Mapping) else []
    if not isinstance(raw, Mapping) or len(names) != 1 or not isinstance(names[0], str):
        meant = [(key, nearest(str(key), BESIDE)) for key in names[:KEYS_COMPARED]]
        told = "".join(f"; did you mean `{close}` by `{key}`?" for key, close in meant if close)
        raise PydanticCustomError(
            "check_form",
            "a check is one name with its arguments, like `contains: Lina`{told}",
            {"told": told},
        )
    weight = raw.get("weight", 1.0)
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not (number and math.isfinite(weight) and weight > 0):
        raise PydanticCustomError("check_weight", "weight must be a number above 0")
    read = raw.get("read", "answer")
    if read not in ("answer", "reasoning"):
        raise PydanticCustomError(
            "check_read", "read must be answer or reasoning, not {found}", {"found": shown(read)}
        )
    step = raw.get("step")
    if step is not None and (not isinstance(step, int) or isinstance(step, bool)):
        raise PydanticCustomError(
            "check_step",
            "step must be a whole number: 0 is the first answer to a turn, -1 the last",
        )
    reading: Literal["", "reasoning"] = "reasoning" if read == "reasoning" else ""
    return names[0], raw[names[0]], (float(weight), reading, step)


def _is_short(scorer: Scorer, arguments: object) -> bool:
    """Return whether `arguments` stands for the scorer's first argument alone."""
    if arguments is None:
        return False
    if not isinstance(arguments, Mapping):
        return True
    return scorer.nested and scorer.shorthand not in arguments


def _named(scorer: Scorer, arguments: object, short: bool) -> object:
    """Arguments as a mapping: a scalar or list is the scorer's first argument."""
    if not short:
        return arguments or {}
    if scorer.shorthand is None:
        raise PydanticCustomError(
            "check_arguments",
            "check '{name}' {how}",
            {"name": scorer.name, "how": _how(scorer)},
        )
    return {scorer.shorthand: arguments}


def _how(scorer: Scorer) -> str:
    """Return how a check is written that has no first argument."""
    keys = ", ".join(field.alias or name for name, field in scorer.args.model_fields.items())
    if not keys:
        return f"takes no arguments: write `- {scorer.name}`"
    try:
        scorer.args.model_validate({})
    except ValidationError:
        return f"takes named arguments: {keys}"
    return f"takes named arguments ({keys}), or none: write `- {scorer.name}`"


def _under(name: str, error: ValidationError, hidden: str | None) -> ValidationError:
    """Return the same errors one level deeper: their location leads through the check's name.

    `hidden` is the argument that the file does not name, because its value stands alone.
    """
    details = [
        InitErrorDetails(
            type=PydanticCustomError(
                row["type"],
                "{message}",
                {**row.get("ctx", {}), "message": row["msg"]},
            ),
            loc=(name, *(row["loc"][1:] if row["loc"][:1] == (hidden,) else row["loc"])),
            input=row["input"],
        )
        for row in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(name, details)


# Stands for a check in the JSON Schema of a model; `published.with_checks` fills it in.
CHECK_MARK = {"$comment": "a check"}

CheckField = Annotated[
    Check,
    BeforeValidator(_parse),
    PlainSerializer(lambda check: check.as_json(), return_type=dict[str, Any]),
    WithJsonSchema(CHECK_MARK),
]

_ADAPTER: TypeAdapter[Check] = TypeAdapter(CheckField)


def parse_check(raw: object, root: Path | None = None, modules: Iterable[str] = ()) -> Check:
    """Return a check from its YAML form; `root` and `modules` as in `load_context`.

    Raises pydantic's `ValidationError` with locations.
    """
    return _ADAPTER.validate_python(raw, context=load_context(root, modules))


class Judged(Protocol):
    """What one check found, and how much it weighs."""

    @property
    def passed(self) -> bool | None:
        """True, false, or None where nobody can tell."""

    @property
    def score(self) -> float:
        """In [0, 1]."""

    @property
    def weight(self) -> float:
        """Above 0."""


class Combined(NamedTuple):
    """A case: `passed` is None where nobody can tell, which a gate counts as failed."""

    passed: bool | None
    score: float


# Weighted means of decimal fractions miss a threshold such as 0.7 by some 1e-17.
_ROUNDING = 1e-9


def combine(results: Iterable[Judged], threshold: float | None = None) -> Combined:
    """Return the outcome of a case, over all checks of all turns.

    Without `threshold` all checks must hold, whatever they weigh: one false makes it false, else
    one unknown makes it unknown. With `threshold` the score must reach it; a check that cannot
    tell counts with score 0. The score is the weighted mean of the checks' scores. No checks:
    unknown, score 0.
    """
    checks = list(results)
    if not checks:
        return Combined(None, 0.0)
    weights = math.fsum(check.weight for check in checks)
    total = math.fsum(check.weight * check.score for check in checks if check.passed is not None)
    score = min(1.0, total / weights)
    if threshold is not None:
        return Combined(score >= threshold - _ROUNDING, score)
    if any(check.passed is False for check in checks):
        return Combined(False, score)
    return Combined(None if any(check.passed is None for check in checks) else True, score)
