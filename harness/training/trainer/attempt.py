"""One worker process: started, listened to, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from typing import IO

from harness.training.trainer.checkpoints import replace_file
from harness.training.trainer.events import Event, Failed, Observer, from_line
from harness.training.trainer.job import Job

PATIENCE = 10.0  # seconds that a worker is given to end once its stdin is closed
RUNS = "runs"  # below the output: what TensorBoard shows
TAIL = 40  # lines of the worker's own output that are kept for a crash


@dataclass(frozen=True, slots=True)
class Ending:
    """How a worker ended: its exit code (below 0 a signal), what it gave as reasons, its output."""

    code: int
    failures: tuple[Failed, ...]
    output: str


def attempt(job: Job, observer: Observer) -> Ending:
    """Run a worker to its end; every event but failures goes to the observer.

    The worker ends with this call, however this call ends.
    """
    path = job.work / "job.json"
    replace_file(path, job.model_dump_json(indent=1).encode())
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "harness.training.trainer.worker", str(path), str(writing)]
    try:
        worker = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            env=_environment(job),
            start_new_session=True,  # Ctrl-C is for us: we end the worker
        )
    finally:
        os.close(writing)
    said: deque[str] = deque(maxlen=TAIL)
    listener = threading.Thread(target=_collect, args=(worker.stdout, said), daemon=True)
    listener.start()
    try:
        with os.fdopen(reading, encoding="utf-8") as events:
            failures = _listen(events, observer)
        code = worker.wait()
        listener.join()
        return Ending(code, failures, "".join(said))
    finally:
        _end(worker)
        listener.join()


def _listen(events: IO[str], observer: Observer) -> tuple[Failed, ...]:
    failures: list[Failed] = []
    for line in events:
        event = _event(line)
        if isinstance(event, Failed):
            failures.append(event)
        elif event is not None:
            observer(event)
    return tuple(failures)


def _event(line: str) -> Event | None:
    try:
        return from_line(line)
    except ValueError:  # a worker that was killed leaves half a line
        return None


def _collect(stream: IO[bytes] | None, said: deque[str]) -> None:
    for line in stream or ():
        said.append(line.decode(errors="replace"))


def _end(worker: subprocess.Popen[bytes]) -> None:
    if worker.stdin:
        worker.stdin.close()  # a worker whose parent is gone ends by itself
    try:
        worker.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    if worker.stdout:
        worker.stdout.close()


def _environment(job: Job) -> dict[str, str]:
    """Ours, without network and telemetry of Hugging Face's libraries, and one GPU at most."""
    changes = {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # cuBLAS repeats itself only so
        "PYTHONWARNINGS": "ignore",
    }
    usual = {
        # Waiting threads sleep instead of spinning: beside other work it is several times as fast.
        "OMP_WAIT_POLICY": "PASSIVE",
        # Else it would lie where the trainer works, which is removed at the end.
        "TENSORBOARD_LOGGING_DIR": str(job.config.output.resolve() / RUNS),
    }
    return {**usual, **os.environ, **changes, **_one_gpu(job.config.device)}


def _one_gpu(device: str) -> dict[str, str]:
    """trl refuses to see several GPUs in one process; the wanted one becomes number 0."""
    kind, _, number = device.partition(":")
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if kind not in ("auto", "cuda") or shown == "":
        return {}
    names, index = (shown or "").split(","), int(number or 0)
    return {"CUDA_VISIBLE_DEVICES": names[index] if shown and index < len(names) else str(index)}
