"""Results, runs and signatures as JSON, and back: in the store, in baselines, in results.jsonl.

The rows of a run are recorded answers as well: `--responses reports/<run>/results.jsonl` scores
them again. An answer is kept as the model wrote it, reasoning included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from functools import cache, lru_cache
from sys import intern
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, Field, create_model

from harness.common import InputError, JsonValue, Problem, ToolCall
from harness.common.reading import fitting
from harness.results.values import (
    AnswerStep,
    CheckResult,
    HaystackCell,
    Outcome,
    Result,
    RunInfo,
    Signature,
)

# The ids of haystacks in rows of earlier versions, which have no `haystack` of their own.
_OLD_ID = re.compile(r"-(\d+)-d(\d+(?:\.\d+)?)-s\d+$")


def result_to_json(result: Result) -> dict[str, JsonValue]:
    """Return the row of one result: `response` for one answer, `responses` for several or none.

    Whether an answer came from the store (`cached`), how long it took and where (`seconds`,
    `first_token`, `machine`) are not in it: a run that was killed and resumed leaves the same rows
    as one that was not.
    """
    one = len(result.responses) == 1
    thought: dict[str, JsonValue] = {}
    if result.reasoning:
        thought["reasoning"] = result.reasoning[0] if one else list(result.reasoning)
    if result.reasoning_tokens:
        thought["reasoning_tokens"] = result.reasoning_tokens
    if result.unended:
        thought["unended"] = result.unended
    checks: list[JsonValue] = [
        {
            "check": check.check,
            "turn": check.turn,
            "passed": check.passed,
            "score": check.score,
            "reason": check.reason,
            "detail": dict(check.detail),
            "version": check.version,
            **({} if check.weight == 1.0 else {"weight": check.weight}),
            **({"read": check.read} if check.read else {}),
            **({} if check.step is None else {"step": check.step}),
        }
        for check in result.checks
    ]
    return {
        "suite": result.suite,
        "category": result.category,
        "case": result.case,
        "variant": result.variant,
        "repeat": result.repeat,
        "outcome": result.outcome.value,
        "score": result.score,
        "checks": checks,
        **({"response": result.responses[0]} if one else {"responses": list(result.responses)}),
        **thought,
        "finish_reason": result.finish_reason,
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "reason": result.reason,
        "case_hash": result.case_hash,
        "environment": signature_to_json(result.signature),
        "cluster": result.cluster,
        "required": result.required,
        "tags": list(result.tags),
        "prompt": [dict(message) for message in result.prompt],
        **({} if result.counted else {"tokens_estimated": True}),
        **({"haystack": asdict(result.cell)} if result.cell else {}),
        **({"steps": [_step_to_json(step) for step in result.steps]} if result.steps else {}),
    }


def result_from_json(
    row: Mapping[str, Any], *, cached: bool = False, seconds: float = 0.0
) -> Result:
    """Return the result of a row that `result_to_json` made.

    `cached` and `seconds` are not in the row; that of a store has `timing` besides. Raises
    KeyError, TypeError or ValueError for anything else.
    """
    cell = None
    if "haystack" in row:
        cell = HaystackCell(row["haystack"]["length"], row["haystack"]["depth"])
    elif found := _OLD_ID.search(row["case"]):
        cell = HaystackCell(int(found[1]), float(found[2]) / 100)
    reasoning, timing = row.get("reasoning", ()), row.get("timing", {})
    return Result(
        # A run has many results and few names: each name is one object.
        suite=intern(row["suite"]),
        category=intern(row["category"]),
        case=intern(row["case"]),
        variant=intern(row["variant"]),
        repeat=row["repeat"],
        outcome=Outcome(row["outcome"]),
        score=row["score"],
        responses=tuple(row["responses"] if "responses" in row else [row["response"]]),
        checks=tuple(
            CheckResult(
                check["check"],
                check["turn"],
                check["passed"],
                check["score"],
                check["reason"],
                check["version"],
                check.get("weight", 1.0),
                check["detail"],
                check.get("read", ""),
                check.get("step"),
            )
            for check in row["checks"]
        ),
        reason=row["reason"],
        finish_reason=row["finish_reason"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        case_hash=row["case_hash"],
        signature=signature_from_json(row["environment"]),
        cluster=row["cluster"],
        required=row["required"],
        tags=tuple(row["tags"]),
        prompt=tuple(row["prompt"]),
        cell=cell,
        steps=tuple(
            AnswerStep(
                step["turn"],
                step["text"],
                tuple(ToolCall.read(call) for call in step.get("tool_calls", ())),
                step.get("finish_reason", "stop"),
                step.get("tokens", 0),
                step.get("reasoning", ""),
                step.get("reasoning_tokens", 0),
            )
            for step in row.get("steps", ())
        ),
        reasoning=(reasoning,) if isinstance(reasoning, str) else tuple(reasoning),
        reasoning_tokens=row.get("reasoning_tokens", 0),
        unended=row.get("unended", 0),
        cached=cached,
        seconds=seconds,
        first_token=timing.get("first_token"),
        machine=intern(timing.get("machine", "")),  # one for all of a run
        counted=not row.get("tokens_estimated", False),
    )


_PLAIN = (str, int, float, bool, type(None))


def restored(result: Result) -> Result:
    """Return a result as a store gives it back: with what a check found as JSON has it.

    Most have nothing that JSON would change, and no row is made for them.
    """
    plain = all(
        type(key) is str and type(value) in _PLAIN
        for check in result.checks
        for key, value in check.detail.items()
    )
    placed = result.cell or not _OLD_ID.search(result.case)
    timed = result.machine or result.first_token is None
    if plain and placed and timed and not result.steps and result.length is None:
        return result
    row = json.loads(json.dumps({**result_to_json(result), **timing_of(result)}))
    return result_from_json(row, cached=result.cached, seconds=result.seconds)


def timing_of(result: Result) -> dict[str, JsonValue]:
    """Return what a store keeps beside a result's row: how fast it was, and where; or nothing."""
    if not result.machine:
        return {}
    return {"timing": {"machine": result.machine, "first_token": result.first_token}}


def _step_to_json(step: AnswerStep) -> dict[str, JsonValue]:
    return {
        "turn": step.turn,
        "text": step.text,
        "tool_calls": [call.as_json() for call in step.tool_calls],
        "finish_reason": step.finish_reason,
        "tokens": step.tokens,
        **({"reasoning": step.reasoning} if step.reasoning else {}),
        **({"reasoning_tokens": step.reasoning_tokens} if step.reasoning_tokens else {}),
    }


def signature_to_json(signature: Signature) -> str:
    """Return the signature as rows hold it: its parts with dashes between them."""
    parts = (signature.environment, signature.sampling, *signature.scoring)
    return "-".join(parts) if any(parts[1:]) else signature.environment


@lru_cache(maxsize=1024)  # the rows of a run share a few
def signature_from_json(text: str) -> Signature:
    """Return the signature of a text that `signature_to_json` made."""
    environment, *others = text.split("-")
    return Signature(environment, others[0] if others else "", tuple(others[1:]))


def run_to_json(info: RunInfo) -> dict[str, Any]:
    """Return all fields of the record, by name; of a suite's bars those that it sets itself."""
    return {
        **asdict(info),
        "suites": [
            {**asdict(suite), "gate": suite.gate.model_dump(mode="json", exclude_unset=True)}
            for suite in info.suites
        ],
        "variants": [
            {**asdict(each), "prices": each.prices.model_dump() if each.prices else None}
            for each in info.variants
        ],
        "notes": list(info.notes),
        "options": list(info.options),
        "warnings": list(info.warnings),
    }


def run_from_json(row: Mapping[str, Any], path: str = "") -> RunInfo:
    """Return the record that `run_to_json` made; what a newer harness added is passed over.

    Raises InputError for anything else, with the file's `path`.
    """
    return fitting(RunInfo, row, path, what="the record of the run")


class _TimingRow(BaseModel):
    """How fast an answer was, and where: a store's rows have it, those of a report do not."""

    machine: str
    first_token: float | None = None


class _PromptRow(BaseModel):
    """What is read of a message that was sent: a turn may have more."""

    role: str
    content: JsonValue


_NATURAL = Annotated[int, Field(ge=0)]
_OTHERWISE: dict[str, Any] = {  # fields of a result that its row holds in another form, or not
    "score": Annotated[float, Field(ge=0, le=1)],
    "repeat": _NATURAL,
    "prompt_tokens": _NATURAL,
    "completion_tokens": _NATURAL,
    "responses": tuple[str, ...],
    "reasoning": str | tuple[str, ...],  # of one answer, or of several
    "prompt": tuple[_PromptRow, ...],
    "environment": str,  # the signature
    "signature": None,
    "haystack": HaystackCell | None,
    "cell": None,
    "response": str,
    "seconds": None,
    "cached": None,
    "first_token": None,
    "machine": None,
    "counted": None,
    "tokens_estimated": bool,
    "timing": _TimingRow,
}


def _row_of(kind: type[Result | AnswerStep], **more: Any) -> type[BaseModel]:
    """Return the schema of a row: the fields and types of a value, but for those given here."""
    hints = {**get_type_hints(kind), **more}
    demanded = {field.name for field in fields(kind) if field.default is MISSING} - {"responses"}
    rows: dict[str, Any] = {
        name: (hint, ... if name in demanded or name == "environment" else None)
        for name, hint in hints.items()
        if hint is not None
    }
    return create_model(f"{kind.__name__}Row", **rows)


@cache
def _row_schema() -> type[BaseModel]:
    """Return the schema of a result's row: slow to make, and few commands read rows."""
    step: Any = _row_of(AnswerStep, tool_calls=tuple[JsonValue, ...])
    return _row_of(Result, **_OTHERWISE, steps=tuple[step, ...])


def read_result(value: object, path: str, line: int) -> Result:
    """Return the result of a row from outside; raises InputError with all that is wrong in it."""
    fitting(_row_schema(), value, path, line=line, what="this row is no result")
    try:
        return result_from_json(value)  # type: ignore[arg-type]  # an object, as the schema says
    except KeyError as error:
        message = f"this row is no result: {error} is missing"
        raise InputError(Problem(message, path, line)) from None
