"""A result as one row of results.jsonl, and back.

The rows of a run are recorded answers as well: `--responses reports/<run>/results.jsonl` scores
them again. An answer is kept as the model wrote it, reasoning included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.canonical import JsonValue
from harness.runner.values import CheckResult, Outcome, Result


def result_to_json(result: Result) -> dict[str, JsonValue]:
    """The row of one result: `response` for one answer, `responses` for several or none.

    Whether an answer came from the store (`cached`) and how long it took (`seconds`) are not in
    it: a run that was killed and resumed leaves the same rows as one that was not.
    """
    return {
        "suite": result.suite,
        "category": result.category,
        "case": result.case,
        "variant": result.variant,
        "repeat": result.repeat,
        "outcome": result.outcome.value,
        "score": result.score,
        "checks": [_check_to_json(check) for check in result.checks],
        **_responses(result),
        "finish_reason": result.finish_reason,
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "reason": result.reason,
        "case_hash": result.case_hash,
        "environment": result.environment,
        "cluster": result.cluster,
        "required": result.required,
        "tags": list(result.tags),
        "prompt": [dict(message) for message in result.prompt],
    }


def result_from_json(
    row: Mapping[str, Any], *, cached: bool = False, seconds: float = 0.0
) -> Result:
    """The result of a row that `result_to_json` made; raises KeyError or ValueError otherwise.

    `cached` and `seconds` are not in the row.
    """
    responses = row["responses"] if "responses" in row else [row["response"]]
    return Result(
        suite=row["suite"],
        category=row["category"],
        case=row["case"],
        variant=row["variant"],
        repeat=row["repeat"],
        outcome=Outcome(row["outcome"]),
        score=row["score"],
        responses=tuple(responses),
        checks=tuple(_check_from_json(check) for check in row["checks"]),
        reason=row["reason"],
        finish_reason=row["finish_reason"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        case_hash=row["case_hash"],
        environment=row["environment"],
        cluster=row["cluster"],
        required=row["required"],
        tags=tuple(row["tags"]),
        prompt=tuple(row["prompt"]),
        cached=cached,
        seconds=seconds,
    )


def _responses(result: Result) -> dict[str, JsonValue]:
    if len(result.responses) == 1:
        return {"response": result.responses[0]}
    return {"responses": list(result.responses)}


def _check_to_json(check: CheckResult) -> JsonValue:
    row: dict[str, JsonValue] = {
        "check": check.check,
        "turn": check.turn,
        "passed": check.passed,
        "score": check.score,
        "reason": check.reason,
        "detail": dict(check.detail),
        "version": check.version,
    }
    return row if check.weight == 1.0 else {**row, "weight": check.weight}


def _check_from_json(row: Mapping[str, Any]) -> CheckResult:
    return CheckResult(
        row["check"],
        row["turn"],
        row["passed"],
        row["score"],
        row["reason"],
        row["version"],
        row.get("weight", 1.0),
        row["detail"],
    )
