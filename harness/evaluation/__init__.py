"""One run, from variants to the report; and what is made of earlier runs."""

from harness.evaluation.baseline import StoredVariant, find_stored
from harness.evaluation.calibrating import CalibrateOptions, CalibrationReport, calibrate
from harness.evaluation.compare import ComparisonReport, compare_runs, judge_stored
from harness.evaluation.completions import Limits, at_work, leave_now
from harness.evaluation.executor import Counts, execute
from harness.evaluation.exporting import export_after, export_run
from harness.evaluation.forecast import (
    Bill,
    Forecast,
    Repeated,
    SuiteForecast,
    forecast,
    hypothetical,
)
from harness.evaluation.judges import Judge, Judges, asked_of, describe_judges
from harness.evaluation.keys import (
    completion_key,
    describe_variant,
    environment_of,
    identify,
    signature,
)
from harness.evaluation.noise import noise_key
from harness.evaluation.people import answers_of, recalled_people
from harness.evaluation.plan import Plan, Select, make_plan
from harness.evaluation.preferring import (
    check_preferences,
    preference_key,
    recalled_preferences,
)
from harness.evaluation.rates import Rates, read_rates
from harness.evaluation.rescore import Rescored, rescore, rescore_run, suite_files
from harness.evaluation.run import (
    RunReport,
    backend_of,
    is_cluster_of_others,
    reopen,
    run,
    run_selected,
    run_suites,
)
from harness.evaluation.scoring import Transcript, score_trial, unscored
from harness.evaluation.trial import Skip, Trial, messages_of
from harness.evaluation.variants import NONE, Variants, variants_of
from harness.evaluation.verdict import decide_run, exit_code, recalled_baseline

__all__ = [
    "NONE",
    "Bill",
    "CalibrateOptions",
    "CalibrationReport",
    "ComparisonReport",
    "Counts",
    "Forecast",
    "Judge",
    "Judges",
    "Limits",
    "Plan",
    "Rates",
    "Repeated",
    "Rescored",
    "RunReport",
    "Select",
    "Skip",
    "StoredVariant",
    "SuiteForecast",
    "Transcript",
    "Trial",
    "Variants",
    "answers_of",
    "asked_of",
    "at_work",
    "backend_of",
    "calibrate",
    "check_preferences",
    "compare_runs",
    "completion_key",
    "decide_run",
    "describe_judges",
    "describe_variant",
    "environment_of",
    "execute",
    "exit_code",
    "export_after",
    "export_run",
    "find_stored",
    "forecast",
    "hypothetical",
    "identify",
    "is_cluster_of_others",
    "judge_stored",
    "leave_now",
    "make_plan",
    "messages_of",
    "noise_key",
    "preference_key",
    "read_rates",
    "recalled_baseline",
    "recalled_people",
    "recalled_preferences",
    "reopen",
    "rescore",
    "rescore_run",
    "run",
    "run_selected",
    "run_suites",
    "score_trial",
    "signature",
    "suite_files",
    "unscored",
    "variants_of",
]
