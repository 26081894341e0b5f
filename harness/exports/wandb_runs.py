"""A run in Weights & Biases: one of its runs for ours, one for each variant, in one group.

Offline is the default: files that `wandb sync` sends. Nothing leaves the machine unless `mode =
"online"` is configured.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem, digest, make_folder, plural
from harness.exports.tracked import TrackedRun, refusals, tracked_runs
from harness.exports.values import Destination, Exported, RunExport


def log_to_wandb(run: RunExport, destination: Destination) -> Exported:
    """Log the run. Raises InputError where it was written before, and for a missing API key."""
    settings = destination.settings.wandb
    # Of what goes wrong W&B would tell its makers, offline too.
    for name, value in (("WANDB_SILENT", "true"), ("WANDB_ERROR_REPORTING", "false")):
        os.environ.setdefault(name, value)
    try:
        import wandb
    except ImportError:
        hint = 'pip install "lora-regression-harness[wandb]"'
        raise InputError(Problem("wandb is not installed", hint=hint)) from None
    directory = destination.directory
    online = settings.mode == "online"
    if online and not wandb.api.api_key:
        raise InputError(
            Problem(
                "W&B has no API key here",
                hint='`wandb login`, the variable WANDB_API_KEY, or mode = "offline"',
            )
        )
    if not online and directory.exists() and not destination.force:
        hint = "name another with --into DIR, or write beside it with --force"
        raise InputError(Problem("this directory is there already", str(directory), hint=hint))
    make_folder(directory)
    record = tracked_runs(run, answers=destination.settings.answers)
    everything = [record, *record.children]
    in_use = wandb.run is not None  # by whoever called us from Python
    with refusals(f"W&B ({settings.mode})", wandb.Error):
        for each in everything:
            log_record(wandb, run, each, destination, is_child=each is not record)
        if not in_use:
            wandb.teardown()  # its process writes on after the end of a run
    where = f"project {settings.project!r}" if online else str(directory)
    sync = "" if online else f"; send them: wandb sync {directory}/wandb/offline-run-*"
    return Exported(where, f"{plural(len(everything), 'record')} in group {run.id}{sync}")


def log_record(
    wandb: Any, run: RunExport, record: TrackedRun, destination: Destination, *, is_child: bool
) -> None:
    """Log one record, and end it."""
    settings = destination.settings.wandb
    started = wandb.init(
        project=settings.project,
        entity=settings.entity,
        id=digest([run.id, record.name, is_child], 12),
        name=record.name,
        group=run.id,
        job_type="variant" if is_child else "run",
        notes=record.note,
        tags=sorted({text[:64] for name, text in record.tags.items() if name in _AS_TAGS}),
        config={"params": dict(record.params), "tags": dict(record.tags)},
        mode=settings.mode,
        dir=str(destination.directory),
        resume="allow" if destination.force else "never",
        reinit="create_new",
        settings=wandb.Settings(
            console="off",
            silent=True,
            init_timeout=30,
            save_code=False,
            disable_git=True,  # of this machine nothing is told
            x_disable_stats=True,
            x_disable_meta=True,
            x_save_requirements=False,
        ),
    )
    try:
        started.log(dict(record.metrics))  # of each name the last value is in the summary
        for name, text in record.tags.items():
            if name == "verdict" or name.endswith("/verdict"):
                started.summary[name] = text
        if record.files:
            artifact = wandb.Artifact(f"scorecard-{run.id}", type="scorecard")
            for path in record.files:
                artifact.add_file(str(Path(path)))
            started.log_artifact(artifact)
    except BaseException:
        started.finish(exit_code=1)
        raise
    started.finish(exit_code=0)


_AS_TAGS = ("label", "verdict", "role")
