"""What only the loaded model can tell, before a training: a worker that stops at the first step."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from harness.training.trainer.attempt import attempt
from harness.training.trainer.endings import ending_error
from harness.training.trainer.events import Observer
from harness.training.trainer.job import Job, write_samples
from harness.training.trainer.prepare import Prepared


def rehearse(prepared: Prepared, observer: Observer = lambda event: None) -> None:
    """Do all that a training does before its first step, where it could be refused there.

    Whether a model takes `model_args`, and keeps packed rows apart, is known once it is loaded.
    Without either setting nothing is started. Raises what `train` raises.
    """
    config = prepared.config
    if not config.model_args and not config.packing:
        return
    with TemporaryDirectory(prefix="rehearsal-") as folder:
        work = Path(folder)
        samples = work / "samples.jsonl"
        write_samples(samples, prepared.samples)
        job = Job(
            config=config,
            base=prepared.base.path,
            samples=samples,
            work=work,
            device_batch=1,
            checkpointing=False,
            rehearsal=True,
        )
        ending = attempt(job, observer)
    if ending.code != 0:
        raise ending_error(config.output, ending)
