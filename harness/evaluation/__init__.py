"""One run, from variants to the report; and what is made of earlier runs."""

from harness.evaluation.baseline import Side, find_sides
from harness.evaluation.compare import compare_runs, judge_sides
from harness.evaluation.completions import Limits, at_work, leave_now
from harness.evaluation.executor import Counts, execute
from harness.evaluation.judges import Judge, Judges, asked_of, describe_judges
from harness.evaluation.keys import (
    completion_key,
    describe_variant,
    environment_of,
    identify,
    signature,
)
from harness.evaluation.noise import noise_key
from harness.evaluation.plan import Plan, Select, make_plan
from harness.evaluation.rescore import Rescored, rescore, rescore_run
from harness.evaluation.run import (
    EXIT_CODES,
    EXIT_ORDER,
    RunReport,
    cast,
    decide_run,
    engine_of,
    reopen,
    run,
    run_suites,
)
from harness.evaluation.scoring import Transcript, score_trial, unscored
from harness.evaluation.trial import Skip, Trial, conversation
from harness.evaluation.variants import NONE, lineup

__all__ = [
    "EXIT_CODES",
    "EXIT_ORDER",
    "NONE",
    "Counts",
    "Judge",
    "Judges",
    "Limits",
    "Plan",
    "Rescored",
    "RunReport",
    "Select",
    "Side",
    "Skip",
    "Transcript",
    "Trial",
    "asked_of",
    "at_work",
    "cast",
    "compare_runs",
    "completion_key",
    "conversation",
    "decide_run",
    "describe_judges",
    "describe_variant",
    "engine_of",
    "environment_of",
    "execute",
    "find_sides",
    "identify",
    "judge_sides",
    "leave_now",
    "lineup",
    "make_plan",
    "noise_key",
    "reopen",
    "rescore",
    "rescore_run",
    "run",
    "run_suites",
    "score_trial",
    "signature",
    "unscored",
]
