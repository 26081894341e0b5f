"""The model of a run, its suites, variants and results: values only."""

from harness.results.events import (
    Completed,
    Event,
    Finished,
    Note,
    Observer,
    Planned,
    Reused,
    Scored,
    Waiting,
    ignore,
)
from harness.results.json import (
    result_from_json,
    result_to_json,
    run_from_json,
    run_to_json,
    signature_from_json,
    signature_to_json,
)
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

__all__ = [
    "CheckResult",
    "Completed",
    "Event",
    "Finished",
    "HaystackCell",
    "Note",
    "Observer",
    "Outcome",
    "Planned",
    "Result",
    "Reused",
    "RunInfo",
    "Scored",
    "Signature",
    "SuiteInfo",
    "VariantInfo",
    "Waiting",
    "ignore",
    "result_from_json",
    "result_to_json",
    "run_from_json",
    "run_to_json",
    "signature_from_json",
    "signature_to_json",
]
