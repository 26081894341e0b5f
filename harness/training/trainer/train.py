"""`train`: from rows to a finished adapter, whatever gets in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.training.trainer.attempt import attempt
from harness.training.trainer.checkpoints import resumable
from harness.training.trainer.claiming import check_output, claim, work_of
from harness.training.trainer.config import TrainConfig
from harness.training.trainer.endings import ending_error
from harness.training.trainer.events import Event, Note, Observer, Started, Stepped
from harness.training.trainer.finishing import finish, tidy
from harness.training.trainer.job import Exit, Job
from harness.training.trainer.memory import Footing, described, first_footing, smaller
from harness.training.trainer.prepare import Prepared, prepare
from harness.training.trainer.values import TrainedAdapter
from harness.training.values import Row


def train(
    config: TrainConfig,
    rows: Sequence[Row],
    *,
    held_out: Sequence[Row] = (),
    notes: Mapping[str, Any] | None = None,
    observer: Observer = lambda event: None,
    cache: Path | None = None,
) -> TrainedAdapter:
    """Train a LoRA adapter on these rows; interrupted, the same call goes on where it was.

    Without `held_out` rows, `config.held_out_share` of the rows are held out, whole groups at a
    time. `notes` go into the manifest as they are (the findings of the contamination guard, say).
    `cache` is a directory that remembers hashes of weights. The training runs in processes of its
    own. An adapter that is finished already is returned as it is.

    Raises `InputError` for rows or settings that cannot be trained on as the model is served, and
    for an output that belongs to another training; `MachineryError` where memory runs out with the
    smallest batch, the disk is full, the loss diverges, or the process dies. Every complete
    checkpoint is kept.
    """
    prepared = prepare(config, rows, held_out, cache)
    done = check_output(prepared)
    if done is not None:
        tidy(config.output, work_of(prepared))  # killed at the very end, it may have been left
        observer(Note(f"{config.output} holds this adapter already"))
        return done
    work = claim(prepared)
    observer(Note(_beginning(prepared.counts)))
    recorder = Recorder(observer)
    _run(prepared, work, recorder)
    return finish(prepared, work, recorder.facts, notes or {})


def _beginning(counts: Mapping[str, Any]) -> str:
    rows = f"{counts['rows']} rows to train on, {counts['held_out']} held out"
    return f"{rows}, {counts['tokens']:,} tokens in an epoch; the model is being loaded"


class Recorder:
    """Hands events on, and remembers what the manifest says of the run."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.facts: dict[str, Any] = {"seconds": 0.0, "tokens": 0}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Started):
            names = ("device", "dtype", "device_batch", "accumulation", "checkpointing", "proven")
            self.facts |= {name: getattr(event, name) for name in names}
            self.facts |= {"resumed_from": event.step, "planned_steps": event.steps}
        elif isinstance(event, Stepped):
            self.facts["seconds"] = round(self.facts["seconds"] + event.seconds, 3)
            self.facts["tokens"] += event.tokens
        self._observer(event)


def _run(prepared: Prepared, work: Path, observer: Observer) -> None:
    """Attempts, each in a fresh process, until one reaches the end."""
    footing = first_footing(prepared.config, work)
    while True:
        ending = attempt(_job(prepared, work, footing), observer)
        if ending.code == 0:
            return
        if ending.code != Exit.OUT_OF_MEMORY:
            raise ending_error(prepared.config.output, ending)
        reason = ending.failures[0].found if ending.failures else ""
        footing = smaller(prepared.config, footing, work, reason)
        going = (
            f"memory ran out; a fresh process goes on with {described(prepared.config, footing)}"
        )
        observer(Note(going))


def _job(prepared: Prepared, work: Path, footing: Footing) -> Job:
    return Job(
        config=prepared.config,
        base=prepared.base.path,
        samples=work / "samples.jsonl",
        work=work,
        device_batch=footing.device_batch,
        checkpointing=footing.checkpointing,
        resume=resumable(prepared.config.output),
    )
