"""The targets of `harness export --to NAME`, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from harness.common import InputError, Problem, nearest
from harness.exports.inspect_log import write_inspect
from harness.exports.lm_eval import write_lm_eval
from harness.exports.mlflow_runs import log_to_mlflow
from harness.exports.tables import write_table
from harness.exports.values import Destination, Exported, RunExport
from harness.exports.wandb_runs import log_to_wandb

Target = Callable[[RunExport, Destination], Exported]
TARGETS: Mapping[str, Target] = {
    **{name: partial(write_table, name) for name in ("parquet", "csv", "jsonl")},
    "mlflow": log_to_mlflow,
    "wandb": log_to_wandb,
    "inspect": write_inspect,
    "lm-eval": write_lm_eval,
}


def export_to(name: str, run: RunExport, destination: Destination) -> Exported:
    """Write a run to the target of this name.

    Raises InputError for a target that is not known or whose package is not installed, and for a
    place that is taken; MachineryError where disk, network or the other program refuses.
    """
    check_target(name)
    return TARGETS[name](run, destination)


def check_target(name: str) -> None:
    """Raise InputError for a target that is not known."""
    if name not in TARGETS:
        raise InputError(
            Problem(
                f"nothing is known of the target {name!r}",
                expected=", ".join(TARGETS),
                did_you_mean=nearest(name, TARGETS),
            )
        )
