"""`harness export`: a run for other programs, as files or in a tracker of experiments."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from harness.cli.parser import add_settings, count, new_command, say
from harness.cli.running import named_run, read_settings, typed_path
from harness.common import InputError, Problem

ABOUT = """\
parquet, csv and jsonl hold a row for each result; inspect and lm-eval are logs of these harnesses;
mlflow and wandb get suites' figures, verdicts and the scorecard. docs/export.md says which field
goes where, and how each run is exported when it has ended. Nothing is sent to a server that the
configuration or the command line does not name. Exit code 0: it is there, whatever the verdict."""


def add_commands(commands: Any) -> None:
    """Register the command."""
    export = new_command(
        commands,
        "export",
        "a run for other programs: tables, MLflow, W&B, Inspect, lm-eval",
        "export latest --to parquet --shards 8",
        "export 20261121-1033 --to csv --into tables/",
        "export latest --to mlflow --uri http://127.0.0.1:5000",
        about=ABOUT,
    )
    export.add_argument("run", nargs="?", default="latest", metavar="RUN", help="id, or latest")
    export.add_argument(
        "--to",
        required=True,
        metavar="TARGET",
        help="parquet, csv, jsonl, mlflow, wandb, inspect or lm-eval",
    )
    export.add_argument(
        "--shards", type=count, default=1, metavar="N", help="files; a case is in one (default: 1)"
    )
    export.add_argument("--into", metavar="DIR", help="a new folder (default: exports/RUN/TARGET)")
    export.add_argument("--uri", metavar="URI", help="where MLflow is: an address or a SQLite file")
    export.add_argument(
        "--project", metavar="NAME", help="the experiment of MLflow, the project of W&B"
    )
    export.add_argument(
        "--force", action="store_true", help="replace what was exported of this run before"
    )
    add_settings(export, only=("store", "report_dir"))
    export.set_defaults(act=export_command)


def export_command(arguments: argparse.Namespace) -> int:
    """Write it and say where it is."""
    from harness.evaluation import export_run
    from harness.exports import check_target
    from harness.store import existing_store

    settings = read_settings(arguments)
    check_target(arguments.to)
    trackers = {"uri": ("mlflow",), "project": ("mlflow", "wandb")}
    for option, targets in trackers.items():
        if getattr(arguments, option) and arguments.to not in targets:
            problem = f"--{option} says nothing to --to {arguments.to}"
            raise InputError(Problem(problem, expected=f"--to {' or '.join(targets)}"))
    given = settings.export
    mlflow, wandb = given.mlflow, given.wandb
    if arguments.uri:
        mlflow = mlflow.model_copy(update={"uri": arguments.uri})
    if arguments.project:
        mlflow = mlflow.model_copy(update={"experiment": arguments.project})
        wandb = wandb.model_copy(update={"project": arguments.project})
    chosen = given.model_copy(update={"mlflow": mlflow, "wandb": wandb})
    with existing_store(settings.path(settings.store)) as store:
        run = named_run(store, arguments.run).id
    done = export_run(
        settings.model_copy(update={"export": chosen}),
        run,
        arguments.to,
        into=typed_path(settings, arguments.into) if arguments.into else None,
        shards=arguments.shards,
        force=arguments.force,
    )
    say(done)
    for warning in done.warnings:
        say(f"warning: {warning}", file=sys.stderr)
    return 0
