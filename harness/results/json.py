"""A result as one row of results.jsonl, and back.

The rows of a run are recorded answers as well: `--responses reports/<run>/results.jsonl` scores
them again. An answer is kept as the model wrote it, reasoning included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

from harness.common import GateSettings, JsonValue, VariantRole
from harness.results.values import (
    CheckResult,
    HaystackCell,
    Outcome,
    Result,
    RunInfo,
    Signature,
    SuiteInfo,
    VariantInfo,
)


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
        "environment": signature_to_json(result.signature),
        "cluster": result.cluster,
        "required": result.required,
        "tags": list(result.tags),
        "prompt": [dict(message) for message in result.prompt],
        **({"haystack": asdict(result.cell)} if result.cell else {}),
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
        signature=signature_from_json(row["environment"]),
        cluster=row["cluster"],
        required=row["required"],
        tags=tuple(row["tags"]),
        prompt=tuple(row["prompt"]),
        cell=_cell_from_json(row),
        cached=cached,
        seconds=seconds,
    )


# The ids of haystacks in rows of earlier versions, which have no `haystack` of their own.
_OLD_ID = re.compile(r"-(\d+)-d(\d+(?:\.\d+)?)-s\d+$")


def _cell_from_json(row: Mapping[str, Any]) -> HaystackCell | None:
    if "haystack" in row:
        return HaystackCell(row["haystack"]["length"], row["haystack"]["depth"])
    found = _OLD_ID.search(row["case"])
    return HaystackCell(int(found[1]), float(found[2]) / 100) if found else None


def signature_to_json(signature: Signature) -> str:
    """Return the signature as rows hold it: its parts with dashes between them."""
    parts = (signature.environment, signature.sampling, *signature.scoring)
    return "-".join(parts) if any(parts[1:]) else signature.environment


@lru_cache(maxsize=1024)  # the rows of a run share a few
def signature_from_json(text: str) -> Signature:
    """Return the signature of a text that `signature_to_json` made."""
    environment, *others = text.split("-")
    return Signature(environment, others[0] if others else "", tuple(others[1:]))


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


def run_to_json(info: RunInfo) -> dict[str, Any]:
    """All fields of the record, by name."""
    return {
        **asdict(info),
        "suites": [_suite_to_json(suite) for suite in info.suites],
        "variants": [asdict(variant) for variant in info.variants],
        "notes": list(info.notes),
        "options": list(info.options),
    }


def run_from_json(row: Mapping[str, Any]) -> RunInfo:
    """The record that `run_to_json` made; raises TypeError or ValueError for anything else.

    What a newer harness added to it is passed over.
    """
    return RunInfo(
        **{
            **_known(RunInfo, row),
            "suites": tuple(_suite_from_json(suite) for suite in row["suites"]),
            "variants": tuple(_variant_from_json(variant) for variant in row["variants"]),
            "notes": tuple(row["notes"]),
            "options": tuple(row.get("options", ())),
        }
    )


def _suite_to_json(suite: SuiteInfo) -> dict[str, Any]:
    gate = suite.gate.model_dump(mode="json", exclude_unset=True)
    return {**asdict(suite), "gate": gate}


def _suite_from_json(row: Mapping[str, Any]) -> SuiteInfo:
    return SuiteInfo(**{**_known(SuiteInfo, row), "gate": GateSettings.model_validate(row["gate"])})


def _variant_from_json(row: Mapping[str, Any]) -> VariantInfo:
    return VariantInfo(**{**_known(VariantInfo, row), "role": VariantRole(row["role"])})


def _known(kind: type[RunInfo | SuiteInfo | VariantInfo], row: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: row[field.name] for field in fields(kind) if field.name in row}
