"""Starts the workers of this host by torchrun's agent: alone, or beside those of other hosts."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from harness.common import plural
from harness.training.sft.job import Exit, Observer, TrainingJob, TrainingNote
from harness.training.sft.worker.hosts import GRACE, LOOK, SILENCE, Apart, Rendezvous, ended
from harness.training.sft.worker.sharing import RANK


def launch_called(path: Path, job: TrainingJob, send: Observer) -> int:
    """Run all workers of a job, on this host and on those that join it; return the exit code."""
    count = job.config.gpus
    if job.config.hosts == 1:
        return launch(path, count)
    hint = f"on each of the others: harness join-training {job.config.main_address}"
    note = TrainingNote(f"waiting for {plural(job.config.hosts - 1, 'other host')}; {hint}")
    try:
        meeting = Rendezvous.call(job, called=lambda: send(note))
    except Apart as error:
        send(error.failed)
        return error.failed.code
    return launch_together(path, count, meeting, send)


def launch_joined(address: str, send: Observer) -> int:
    """Run this host's workers of the job that is called at an address; return the exit code."""
    with TemporaryDirectory(prefix="training-") as folder:
        try:
            meeting, path, count = Rendezvous.join(address, Path(folder))
        except Apart as error:
            send(error.failed)
            return error.failed.code
        said = f"host {meeting.rank} of {meeting.count}, with {count} of its processes"
        send(TrainingNote(f"taking part at {address} as {said}"))
        return launch_together(path, count, meeting, send)


def launch_together(path: Path, count: int, meeting: Rendezvous, send: Observer) -> int:
    """Run this host's workers of a meeting; return the exit code that tells most of all hosts."""
    meeting.watch()
    try:
        code = launch(path, count, meeting)
    except SignalException:  # the watcher's: another host has failed
        code = Exit.APART
    if code == 0:
        meeting.close()
        return 0
    if code < 0 or code not in set(Exit):
        time.sleep(0 if code < 0 else LOOK)  # what was killed is the cause of lost connections
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        meeting.fail(ended(meeting.rank, reason))
    failed = meeting.failure()
    meeting.close()
    send(failed)
    return failed.code


def launch(job: Path, count: int, meeting: Rendezvous | None = None) -> int:
    """Run `count` workers of a job on this host; return the exit code that tells most.

    They inherit our standard streams, so that they end when whoever started us is gone. Without
    others, where one was killed by a signal, this process ends by the same; else the code is the
    signal, below 0.
    """
    where: dict[str, Any] = {
        "rdzv_backend": "c10d",
        "rdzv_endpoint": "localhost:0",
        "local_addr": "localhost",
    }
    if meeting is not None:
        where = {
            "rdzv_backend": "static",
            "rdzv_endpoint": meeting.address,
            "rdzv_configs": {"rank": meeting.rank, "timeout": int(SILENCE)},
        }
    if meeting is None or meeting.address.startswith(("127.", "localhost:", "[::1]")):
        # They meet on this machine alone, whatever its name resolves to.
        loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", loopback)
        where["local_addr"] = "localhost"
    if "shutdown_timeout" in LaunchConfig.__dataclass_fields__:  # since torch 2.13
        where["shutdown_timeout"] = int(GRACE)
    hosts = meeting.count if meeting else 1
    config = LaunchConfig(
        min_nodes=hosts,
        max_nodes=hosts,
        nproc_per_node=count,
        run_id="training",
        max_restarts=0,
        **where,
    )
    command = ("-P", "-m", "harness.training.sft.worker", str(job), RANK)
    try:
        elastic_launch(config, sys.executable)(*command)
    except ChildFailedError as error:
        codes = [failure.exitcode for failure in error.failures.values()]
    else:
        return 0
    # One that fails takes the others with it: they die of a lost connection.
    told = [code for code in codes if code in set(Exit)]
    killed = [code for code in codes if code < 0]
    if killed and not told and meeting is None:
        signal.signal(-killed[0], signal.SIG_DFL) if -killed[0] != signal.SIGKILL else None
        os.kill(os.getpid(), -killed[0])
    return [*told, *killed, *codes][0]
