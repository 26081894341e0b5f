"""The output of a training: whether it is free, goes on, or is finished; and making it its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.errors import InputError, Problem
from harness.training.trainer.checkpoints import checkpoints, replace_file
from harness.training.trainer.finishing import finished
from harness.training.trainer.job import write_samples
from harness.training.trainer.manifest import differences
from harness.training.trainer.prepare import Prepared
from harness.training.trainer.values import TrainedAdapter
from harness.training.writable import demand_writable

WORK = ".training"  # inside the output: what only an unfinished training needs


def work_of(prepared: Prepared) -> Path:
    """Where an unfinished training keeps what it needs."""
    return prepared.config.output / WORK


def check_output(prepared: Prepared) -> TrainedAdapter | None:
    """The adapter that this training has finished already; None where it may begin or go on.

    Raises `InputError` where the output holds something else, or cannot be written.
    """
    output, work = prepared.config.output, work_of(prepared)
    done = finished(output, prepared.identity)
    if done is not None:
        return done
    demand_writable(output, "name another directory as output")
    file = work / "identity.json"
    if file.is_file() and checkpoints(output):  # without one nothing was trained that could be lost
        known = json.loads(file.read_text(encoding="utf-8"))
        if different := differences(known, prepared.identity):
            raise InputError(_other_training(output, different))
    elif not file.is_file() and output.is_dir() and any(path != work for path in output.iterdir()):
        mend = "train into a new directory"
        raise InputError(Problem("is not empty, and holds no training", str(output), mend=mend))
    return None


def claim(prepared: Prepared) -> Path:
    """Make the output this training's own; returns the directory for its work."""
    work = work_of(prepared)
    work.mkdir(parents=True, exist_ok=True)
    samples = work / "samples.jsonl"
    staging = samples.with_suffix(".part")
    write_samples(staging, prepared.samples)
    staging.replace(samples)
    replace_file(work / "identity.json", json.dumps(dict(prepared.identity)).encode())
    return work


def _other_training(output: Path, different: Sequence[str]) -> Problem:
    return Problem(
        "holds another training that is not finished, and it cannot go on with these",
        str(output),
        found="other " + ", ".join(different),
        mend="take what it was begun with, train into another directory, or remove this one",
    )
