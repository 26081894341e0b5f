"""`train`: from rows to a finished adapter, whatever gets in the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from harness.common import InputError, MachineryError, Problem, demand_writable, make_folder
from harness.common.processes import end, start
from harness.training.sft.checkpoints import checkpoints, replace_file, resumable, step_of
from harness.training.sft.config import TrainConfig
from harness.training.sft.demands import unserved
from harness.training.sft.finishing import finish, finished, tidy
from harness.training.sft.job import (
    JOIN,
    Event,
    Exit,
    Footing,
    Observer,
    Started,
    Stepped,
    TrainedAdapter,
    TrainingFailed,
    TrainingJob,
    TrainingNote,
    from_line,
    write_samples,
)
from harness.training.sft.lessons import Lesson
from harness.training.sft.manifest import differences
from harness.training.sft.memory import described, known_footing, remember, smaller
from harness.training.sft.prepare import Prepared, prepare

PATIENCE = 10.0  # seconds that a worker is given to end once its stdin is closed
RUNS = "runs"  # below the output: what TensorBoard shows
TAIL = 40  # lines of the worker's own output that are kept for a crash


@dataclass(frozen=True, slots=True)
class Ending:
    """How a worker ended: its exit code (below 0 a signal), what it gave as reasons, its output."""

    code: int
    failures: tuple[TrainingFailed, ...]
    output: str


def attempt(job: TrainingJob, observer: Observer) -> Ending:
    """Run a worker to its end; every event but failures goes to the observer.

    The worker ends with this call, however this call ends.
    """
    path = job.work / "job.json"
    replace_file(path, job.model_dump_json(indent=1).encode())
    return heard([str(path)], worker_environment(job), observer)


def heard(arguments: Sequence[str], environment: Mapping[str, str], observer: Observer) -> Ending:
    """Run a worker with these arguments to its end, as `attempt` does."""
    worker = start(  # Ctrl-C is for us: we end the worker
        "harness.training.sft.worker",
        *arguments,
        output=subprocess.PIPE,
        errors=subprocess.PIPE,
        environment=environment,
    )
    assert worker.stdin and worker.stdout and worker.stderr
    said: deque[str] = deque(maxlen=TAIL)

    def collect(stream: IO[bytes]) -> None:
        for line in stream:
            said.append(line.decode(errors="replace"))

    listener = threading.Thread(target=collect, args=(worker.stderr,), daemon=True)
    listener.start()
    failures: list[TrainingFailed] = []
    try:
        for line in worker.stdout:
            try:
                event = from_line(line.decode(errors="replace"))
            except ValueError:  # a worker that was killed leaves half a line
                continue
            if isinstance(event, TrainingFailed):
                failures.append(event)
            else:
                observer(event)
        code = worker.wait()
        listener.join()
        # Where one of several failed, the others lost it, and say so.
        told = [failed for failed in failures if failed.code == code] or failures
        return Ending(code, tuple(dict.fromkeys(told)), "".join(said))
    finally:
        worker.stdin.close()  # a worker whose parent is gone ends by itself
        end(worker, PATIENCE)
        listener.join()
        worker.stderr.close()


# No network for models, no telemetry, and no words of libraries.
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONWARNINGS": "ignore",
}


def worker_environment(job: TrainingJob) -> dict[str, str]:
    """Return what the worker's environment has beside ours, its GPUs among it."""
    changes = dict(QUIET)
    usual = {
        # Waiting threads sleep instead of spinning: beside other work it is several times as fast.
        "OMP_WAIT_POLICY": "PASSIVE",
        # Else it would lie where the trainer works, which is removed at the end.
        "TENSORBOARD_LOGGING_DIR": str(job.config.output.resolve() / RUNS),
    }
    # trl refuses to see several GPUs in one process; the first of the wanted ones becomes number 0.
    kind, _, number = job.config.device.partition(":")
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if kind in ("auto", "cuda") and shown != "":
        first = int(number or 0)
        wanted = range(first, first + job.config.gpus)
        names = (shown or "").split(",")
        known = shown and wanted[-1] < len(names)
        changes["CUDA_VISIBLE_DEVICES"] = ",".join(names[n] if known else str(n) for n in wanted)
    return {**{k: v for k, v in usual.items() if k not in os.environ}, **changes}


WORK = ".training"  # inside the output: what only an unfinished training needs


def work_of(prepared: Prepared) -> Path:
    """Return where an unfinished training keeps what it needs."""
    return prepared.config.output / WORK


def check_output(prepared: Prepared) -> TrainedAdapter | None:
    """Return the adapter that this training has finished already; None where it may begin or go on.

    Raise `InputError` where the output holds something else, or cannot be written.
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
            raise InputError(
                Problem(
                    "holds another training that is not finished, and it cannot go on with these",
                    str(output),
                    found="other " + ", ".join(different),
                    hint="take what it was begun with, train into another directory, or remove "
                    "this one",
                )
            )
    elif not file.is_file() and output.is_dir() and any(path != work for path in output.iterdir()):
        hint = "train into a new directory"
        raise InputError(Problem("is not empty, and holds no training", str(output), hint=hint))
    return None


def claim(prepared: Prepared) -> Path:
    """Make the output this training's own; return the directory for its work."""
    work = work_of(prepared)
    make_folder(work)
    samples = work / "samples.jsonl"
    staging = samples.with_suffix(".part")
    write_samples(staging, prepared.samples)
    staging.replace(samples)
    replace_file(work / "identity.json", json.dumps(dict(prepared.identity)).encode())
    return work


SHOWN = 12  # lines of the process's own output


def ending_error(output: Path, ending: Ending) -> InputError | MachineryError:
    """Return the error for an ending that was neither the end nor a want of memory."""
    problems = [
        Problem(failed.message, str(output), found=failed.found, hint=failed.hint)
        for failed in ending.failures
    ]
    if ending.code == Exit.REFUSED:
        return InputError(*problems)
    if ending.code == Exit.DIVERGED:
        return MachineryError(*problems)
    found = checkpoints(output)
    step = step_of(found[-1]) if found else 0
    kept = f"the checkpoint of step {step} is kept" if found else "nothing was saved"
    if ending.code == Exit.APART:
        again = f"{kept}; run the same commands again, on every host"
        return MachineryError(*(replace(p, hint=p.hint or again) for p in problems))
    if ending.code == Exit.DISK_FULL:
        hint = f"{kept}; make room and run the same command again"
        return MachineryError(*(replace(problem, hint=hint) for problem in problems))
    said = f": {ending.failures[0].message}" if ending.failures else ""
    reason = f"exit code {ending.code}"
    if ending.code < 0:
        reason = f"signal {signal.Signals(-ending.code).name}"
        if ending.code == -signal.SIGKILL:
            reason += ", as the system sends it when memory runs out"
    tail = "".join(f"\n    {line}" for line in ending.output.splitlines()[-SHOWN:])
    return MachineryError(
        Problem(
            f"the training process died{said}",
            str(output),
            found=reason + tail,
            hint=f"{kept}; run the same command again to go on",
        )
    )


def train(
    config: TrainConfig,
    rows: Sequence[Lesson],
    *,
    held_out: Sequence[Lesson] = (),
    notes: Mapping[str, Any] | None = None,
    observer: Observer = lambda event: None,
    cache: Path | None = None,
) -> TrainedAdapter:
    """Train a LoRA adapter on these rows; interrupted, the same call goes on where it was.

    What the rows are depends on `config.method`: conversations, pairs, or answers with rewards.
    Without `held_out` rows, `config.held_out_share` of the rows are held out, whole groups at a
    time. `notes` go into the manifest as they are (the findings of the contamination guard, say).
    `cache` is a directory that remembers hashes of weights. The training runs in processes of its
    own. An adapter that is finished already is returned as it is.

    Raise `InputError` for rows or settings that cannot be trained on as the model is served, and
    for an output that belongs to another training; `MachineryError` where memory runs out with the
    smallest batch, the disk is full, the loss diverges, or the process dies. Every complete
    checkpoint is kept.
    """
    prepared = prepare(config, rows, held_out, cache)
    done = check_output(prepared)
    if done is not None:
        tidy(config.output, work_of(prepared))  # killed at the very end, it may have been left
        observer(TrainingNote(f"{config.output} holds this adapter already"))
        return done
    work, counts = claim(prepared), prepared.counts
    split = f"{counts['rows']} rows to train on, {counts['held_out']} held out"
    tokens = f"{counts['tokens']:,} tokens in an epoch"
    observer(TrainingNote(f"{split}, {tokens}; the model is being loaded"))
    for told in unserved(config):
        observer(TrainingNote(told))
    recorder = Recorder(observer)
    run_attempts(prepared, work, recorder)
    return finish(prepared, work, recorder.facts, notes or {})


class Recorder:
    """Hands events on, each note once, and remembers what the manifest says of the run."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._noted: set[str] = set()  # a process that goes on after another says the same again
        self.facts: dict[str, Any] = {"seconds": 0.0, "tokens": 0}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Started):
            names = (
                "device", "dtype", "device_batch", "accumulation", "checkpointing", "proven",
                "processes", "sharded",
            )  # fmt: skip
            self.facts |= {name: getattr(event, name) for name in names}
            self.facts |= {"resumed_from": event.step, "planned_steps": event.steps}
        elif isinstance(event, Stepped):
            self.facts["seconds"] = round(self.facts["seconds"] + event.seconds, 3)
            self.facts["tokens"] += event.tokens
        elif isinstance(event, TrainingNote):
            if event.text in self._noted:
                return
            self._noted.add(event.text)
        self._observer(event)


def run_attempts(prepared: Prepared, work: Path, observer: Observer) -> None:
    """Try, each time in a fresh process, until one attempt reaches the end."""
    config = prepared.config
    while True:
        job = TrainingJob(
            config=config,
            base=prepared.base.path,
            samples=work / "samples.jsonl",
            work=work,
            footing=known_footing(config, work),
            resume=resumable(config.output),
        )
        ending = attempt(job, observer)
        if ending.code == 0:
            return
        had = known_footing(config, work)  # the worker's own choice, where there was none
        reason = ending.failures[0].found if ending.failures else ""
        if had and ending.code == Exit.OUT_OF_MEMORY:
            had = smaller(config, had, reason)
            text = f"memory ran out; a fresh process goes on with {described(config, had)}"
        elif had and had.strict and ending.code == Exit.NOT_DETERMINISTIC:
            had = replace(had, strict=False)
            text = (
                f"{reason} has no deterministic kernel on this device: a fresh process goes on, "
                "and two trainings with the same seed may differ in their last digits"
            )
        else:
            raise ending_error(config.output, ending)
        remember(config, work, had)
        observer(TrainingNote(text))


def rehearse(prepared: Prepared, observer: Observer = lambda event: None) -> None:
    """Do all that a training does before its first step, where it could be refused there.

    Whether a model takes `model_args`, and keeps packed rows apart, is known once it is loaded.
    Without either setting nothing is started. Raises what `train` raises.
    """
    # Other hosts are not asked: what the first refuses, all would.
    config = prepared.config.model_copy(update={"hosts": 1})
    if not config.model_args and not config.packing:
        return
    with TemporaryDirectory(prefix="rehearsal-") as folder:
        work = Path(folder)
        samples = work / "samples.jsonl"
        write_samples(samples, prepared.samples)
        job = TrainingJob(
            config=config,
            base=prepared.base.path,
            samples=samples,
            work=work,
            footing=Footing(1, checkpointing=False),
            rehearsal=True,
        )
        ending = attempt(job, observer)
    if ending.code != 0:
        raise ending_error(config.output, ending)


REJOIN = 6.0  # seconds until the first host has left an attempt that failed


def join_training(
    address: str, *, stay: bool = False, observer: Observer = lambda event: None
) -> int:
    """Take part in the training of another host, `main_address` of which is `address`.

    What is trained, with how many processes on each host, the first host says; it alone writes the
    adapter. `stay` waits for further trainings, as a repair makes them, until none came for 15
    minutes. Return how many were trained to the end. Raise `InputError` where this host cannot take
    part, and `MachineryError` where no training came, or another host failed.
    """
    done = 0
    while True:
        ending = heard([JOIN, address], QUIET, observer)
        if ending.code == 0:
            done += 1
            if not stay:
                return done
        elif ending.code in (Exit.OUT_OF_MEMORY, Exit.NOT_DETERMINISTIC):
            observer(TrainingNote(f"{ending.failures[0].message}: the first host tries again"))
        elif stay and done and ending.code == Exit.NOBODY:
            return done
        else:
            failed = ending.failures or (TrainingFailed("the process died", ending.output[-500:]),)
            problems = [Problem(f.message, found=f.found, hint=f.hint) for f in failed]
            raise (InputError if ending.code == Exit.REFUSED else MachineryError)(*problems)
        time.sleep(REJOIN)
