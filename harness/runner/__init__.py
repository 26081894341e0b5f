"""Plan, execution and the store: from suites to scored results."""

from harness.runner.cache import (
    Pruned,
    Repair,
    Share,
    Stats,
    Verification,
    prune,
    repair,
    stats,
    verify,
)
from harness.runner.engine import Limits, at_work, leave_now
from harness.runner.events import (
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
from harness.runner.execute import Counts, execute
from harness.runner.journal import (
    drop_runs,
    read_entries,
    read_entry,
    strike_entries,
    write_entry,
)
from harness.runner.judges import Judge, Judges, asked_of, describe_judges
from harness.runner.keys import (
    completion_key,
    describe_variant,
    environment_of,
    identify,
    signature,
)
from harness.runner.lookup import count_results, existing_store, find_run
from harness.runner.plan import Plan, Select, make_plan
from harness.runner.recalled import Recalled
from harness.runner.rescore import Rescored, rescore
from harness.runner.result_json import result_from_json, result_to_json
from harness.runner.run_json import run_from_json, run_to_json
from harness.runner.score import Transcript, score_trial, unscored
from harness.runner.store import Entry, ResultRow, Store
from harness.runner.trial import Skip, Trial
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
    "Counts",
    "Entry",
    "Event",
    "Finished",
    "Judge",
    "Judges",
    "Limits",
    "Note",
    "Observer",
    "Outcome",
    "Plan",
    "Planned",
    "Pruned",
    "Recalled",
    "Repair",
    "Rescored",
    "Result",
    "ResultRow",
    "Reused",
    "RunInfo",
    "Scored",
    "Select",
    "Share",
    "Skip",
    "Stats",
    "Store",
    "SuiteInfo",
    "Transcript",
    "Trial",
    "VariantInfo",
    "Verification",
    "Waiting",
    "asked_of",
    "at_work",
    "completion_key",
    "count_results",
    "describe_judges",
    "describe_variant",
    "drop_runs",
    "environment_of",
    "execute",
    "existing_store",
    "find_run",
    "identify",
    "ignore",
    "leave_now",
    "make_plan",
    "prune",
    "read_entries",
    "read_entry",
    "repair",
    "rescore",
    "result_from_json",
    "result_to_json",
    "run_from_json",
    "run_to_json",
    "score_trial",
    "signature",
    "stats",
    "strike_entries",
    "unscored",
    "verify",
    "write_entry",
]
