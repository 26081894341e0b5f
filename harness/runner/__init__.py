"""Plan, execution and the store: from suites to scored results."""

from harness.runner.events import (
    Completed,
    Event,
    Finished,
    Note,
    Observer,
    Planned,
    Reused,
    Scored,
    ignore,
)
from harness.runner.keys import completion_key, describe_variant, identify, signature
from harness.runner.result_json import result_from_json, result_to_json
from harness.runner.run_json import run_from_json, run_to_json
from harness.runner.store import Entry, ResultRow, Store
from harness.runner.values import (
    CheckResult,
    Outcome,
    Result,
    RunInfo,
    SuiteInfo,
    VariantInfo,
)

__all__ = [
    "CheckResult",
    "Completed",
    "Entry",
    "Event",
    "Finished",
    "Note",
    "Observer",
    "Outcome",
    "Planned",
    "Result",
    "ResultRow",
    "Reused",
    "RunInfo",
    "Scored",
    "Store",
    "SuiteInfo",
    "VariantInfo",
    "completion_key",
    "describe_variant",
    "identify",
    "ignore",
    "result_from_json",
    "result_to_json",
    "run_from_json",
    "run_to_json",
    "signature",
]
