"""The record of a run as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from harness.gate_settings import GateSettings
from harness.runner.values import RunInfo, SuiteInfo, VariantInfo
from harness.variants import VariantRole


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
