"""The report of a repair as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.training.repair.values import (
    Cost,
    Decision,
    DevReport,
    FixReport,
    RoundReport,
    SourceReport,
    SuiteReport,
    TrainingReport,
)

SCHEMA = 1


def report_to_json(report: FixReport) -> dict[str, Any]:
    """All fields by name, and what follows from them."""
    body = asdict(report)
    body.pop("again")
    cost = {**body["cost"], "total_seconds": round(report.cost.total, 3)}
    return {"schema": SCHEMA, **body, "decision": report.decision.value, "cost": cost}


def report_from_json(body: Mapping[str, Any], *, again: bool = False) -> FixReport:
    """The report that `report_to_json` made."""
    fields = {key: value for key, value in body.items() if key != "schema"}
    cost = {key: value for key, value in body["cost"].items() if key != "total_seconds"}
    parts = {
        "decision": Decision(body["decision"]),
        "repaired": tuple(body["repaired"]),
        "reasons": tuple(body["reasons"]),
        "notes": tuple(body["notes"]),
        "rounds": tuple(map(_round, body["rounds"])),
        "suites": tuple(map(_suite, body["suites"])),
        "cost": Cost(**cost),
    }
    return FixReport(**{**fields, **parts, "again": again})


def _round(body: Mapping[str, Any]) -> RoundReport:
    training = dict(body["training"])
    for name in ("losses", "held_out"):
        training[name] = tuple((int(step), float(loss)) for step, loss in training[name])
    parts = {
        "sources": tuple(SourceReport(**source) for source in body["sources"]),
        "training": TrainingReport(**training),
        "dev": tuple(DevReport(**dev) for dev in body["dev"]),
    }
    return RoundReport(**{**body, **parts})


def _suite(body: Mapping[str, Any]) -> SuiteReport:
    parts = {"reasons": tuple(body["reasons"]), "worse": tuple(body["worse"])}
    return SuiteReport(**{**body, **parts})
