"""A run in MLflow: a parent for the run, a child for each variant, the scorecard as artifacts."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem, make_folder, plural
from harness.exports.tracked import TrackedRun, refusals, tracked_runs
from harness.exports.values import Destination, Exported, RunExport
from harness.store import chunks

LONGEST_PARAM, LONGEST_TAG = 6_000, 5_000  # characters that every MLflow server takes
AT_ONCE = 100  # values in one request
_OTHERS = re.compile(r"[^\w\-./: ]")  # what MLflow takes in no name
# MLflow itself tries for a quarter of an hour; a night waits for nobody so long.
_HABITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is sent anywhere that was not named
}


def log_to_mlflow(run: RunExport, destination: Destination) -> Exported:
    """Log the run; one that is there already is an InputError, or replaced with `force`.

    What an earlier export left half done is replaced in any case.
    """
    settings = destination.settings.mlflow
    for name, value in _HABITS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError:
        hint = 'pip install "lora-regression-harness[mlflow]"'
        raise InputError(Problem("mlflow is not installed", hint=hint)) from None
    uri = tracking_uri(destination)
    record = tracked_runs(run, answers=destination.settings.answers)
    with refusals(f"MLflow at {uri or 'its own default'}", MlflowException):
        client: Any = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(settings.experiment)
        place = None  # of the files of a new experiment: a server says itself
        if uri and uri.startswith("sqlite:///"):  # not in the folder where the command was typed
            file = Path(uri.removeprefix("sqlite:///")).resolve()
            place = (file.parent / "mlruns").as_uri()
        experiment = (
            found.experiment_id if found else client.create_experiment(settings.experiment, place)
        )
        query = f"tags.`harness.run` = '{run.id}'"
        earlier = client.search_runs([experiment], query)
        whole = [each for each in earlier if each.info.status == "FINISHED"]
        if whole and len(whole) == len(earlier) and not destination.force:
            raise InputError(
                Problem(
                    f"run {run.id} is in MLflow already",
                    found=f"experiment {settings.experiment!r}, {plural(len(earlier), 'record')}",
                    hint="--force replaces it",
                )
            )
        for each in earlier:
            client.delete_run(each.info.run_id)
        parent = log_record(client, experiment, run, record, "")
        begun = [parent]
        try:
            for child in record.children:
                begun.append(log_record(client, experiment, run, child, parent))
            for path in record.files:
                client.log_artifact(parent, str(path))
        except BaseException:
            for each in begun:
                client.set_terminated(each, "FAILED")
            raise
        for each in reversed(begun):
            client.set_terminated(each, "FINISHED", end_time=_milliseconds(run, ended=True))
    records, files = plural(len(begun), "record"), plural(len(record.files), "file")
    return Exported(uri or "MLflow", f"{records} in experiment {settings.experiment!r}, {files}")


def log_record(
    client: Any, experiment: str, run: RunExport, record: TrackedRun, parent: str
) -> str:
    """Log one record without ending it; returns its id."""
    tags = {_OTHERS.sub("_", name): text[:LONGEST_TAG] for name, text in record.tags.items()}
    if record.note:
        tags["mlflow.note.content"] = record.note[:LONGEST_TAG]
    if parent:
        tags["mlflow.parentRunId"] = parent
    started = _milliseconds(run)
    created = client.create_run(
        experiment, start_time=started, tags=tags, run_name=record.name
    ).info.run_id
    from mlflow.entities import Metric, Param

    metrics = [Metric(name, value, started, 0) for name, value in record.metrics.items()]
    for some in chunks(metrics, AT_ONCE):
        client.log_batch(created, metrics=list(some))
    params = [
        Param(_OTHERS.sub("_", name), text[:LONGEST_PARAM]) for name, text in record.params.items()
    ]
    for part in chunks(params, AT_ONCE):
        client.log_batch(created, params=list(part))
    return str(created)


def tracking_uri(destination: Destination) -> str | None:
    """Return where MLflow is: as configured, else as its environment variable says, else None.

    A plain path is a SQLite file, relative to the project.
    """
    uri = destination.settings.mlflow.uri or os.environ.get("MLFLOW_TRACKING_URI")
    if uri and "://" not in uri and uri != "databricks":
        path = (destination.root / os.path.expanduser(uri)).resolve()
        make_folder(path.parent)
        return f"sqlite:///{path}"
    return uri


def _milliseconds(run: RunExport, *, ended: bool = False) -> int:
    began = datetime.fromisoformat(run.document.run.started).timestamp()
    return round((began + (run.document.run.seconds if ended else 0.0)) * 1000)
