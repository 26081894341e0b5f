"""Several hosts that train one adapter together: who takes part, with what, and who has failed.

They meet at a store of torch's (TCPStore) that the first host opens: it lays the job down there and
waits until all others have said that they can do it; then torchrun's agents start the processes. A
host that fails says so in the store, and one that is gone is missed: in both cases the others end
too. The store knows no password, like torchrun's own: it is for a network that is trusted.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.distributed import (  # type: ignore[attr-defined]  # torch exports it, and does not say so
    DistError,
    TCPStore,
)

from harness.training.sft.job import Exit, TrainingFailed, TrainingJob
from harness.training.sft.manifest import versions

WAIT = 900.0  # seconds that the hosts wait for each other before a training
SILENCE = 60.0  # seconds without a sign of life after which a host is gone
GRACE = 5.0  # seconds that the processes of a host have to end by themselves once another failed
LOOK = 0.5  # seconds between looks
PIECE = 1_500_000  # characters: the store takes 8 MB at once
FAILED = "failed"

# Whatever torch raises where the other end of a store is gone, or does not answer.
GONE = (DistError, RuntimeError, ConnectionError, TimeoutError)


class Apart(Exception):
    """The hosts do not come together, or lost each other; `failed` says why."""

    def __init__(self, failed: TrainingFailed) -> None:
        super().__init__(failed.message)
        self.failed = failed


def opened(address: str, *, first: bool, wait: float = WAIT) -> TCPStore:
    """Open the store at HOST:PORT, or find it there within `wait` seconds."""
    host, _, port = address.rpartition(":")
    try:
        return TCPStore(
            host.strip("[]"),
            int(port),
            None,
            first,
            timedelta(seconds=wait),
            wait_for_workers=False,
            multi_tenant=True,
        )
    except GONE as error:
        said = str(error).partition("\n")[0][:200]
        if first:
            hint = "name an address and a free port of this host as main_address"
            message = f"main_address: this host cannot listen at {address}"
            raise Apart(TrainingFailed(message, said, hint, Exit.REFUSED)) from error
        hint = "on the first host: harness train FILE --hosts N --main-address HOST:PORT"
        message = f"no training waits at {address}"
        raise Apart(TrainingFailed(message, said, hint, Exit.NOBODY)) from error


class Rendezvous:
    """The hosts of one attempt, seen from one of them: `rank` of `count`."""

    def __init__(self, address: str, store: TCPStore, rank: int, count: int) -> None:
        self.address, self.rank, self.count = address, rank, count
        self._store = store
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None

    @classmethod
    def call(cls, job: TrainingJob, called: Callable[[], object] = lambda: None) -> Rendezvous:
        """Open the meeting of a job on the first host; return when all others are ready.

        `called` is called once the others find it.
        """
        config = job.config
        assert config.main_address is not None
        store = opened(config.main_address, first=True)
        meeting = cls(config.main_address, store, 0, config.hosts)
        told = {
            "job": job.model_dump(mode="json"),
            "files": _sizes(job.base),
            "versions": versions(),
        }
        meeting._lay_down("job", json.dumps(told))
        meeting._lay_down("samples", job.samples.read_text(encoding="utf-8"))
        called()
        deadline = time.monotonic() + WAIT
        missing = set(range(1, config.hosts))
        while missing:
            for rank in [rank for rank in missing if store.check([f"ready/{rank}"])]:
                missing.discard(rank)
                if said := store.get(f"ready/{rank}"):
                    failed = TrainingFailed(**json.loads(said))
                    store.set("go", said.decode())
                    time.sleep(2 * LOOK)  # they read it from this process
                    raise Apart(failed)
            if time.monotonic() > deadline:
                came = config.hosts - len(missing)
                message = f"{came} of {config.hosts} hosts came to {config.main_address}"
                hint = f"run on every other host: harness join-training {config.main_address}"
                raise Apart(TrainingFailed(message, f"after {WAIT:g} s", hint, Exit.APART))
            time.sleep(LOOK if missing else 0.0)
        store.set("go", "")
        return meeting

    @classmethod
    def join(cls, address: str, folder: Path) -> tuple[Rendezvous, Path, int]:
        """Take part in the attempt that is called at an address.

        Return it, the job as a file in `folder`, and how many processes this host starts.
        """
        store = opened(address, first=False)
        found = json.loads(_taken_up(store, "job"))
        job = TrainingJob.model_validate(found["job"])
        rank, count = store.add("joined", 1), job.config.hosts
        if rank >= count:
            message = f"all {count} hosts are there already"
            hint = "hosts counts the first one too"
            raise Apart(TrainingFailed(message, address, hint, Exit.APART))
        samples = folder / "samples.jsonl"
        samples.write_text(_taken_up(store, "samples"), encoding="utf-8")
        reason = _cannot(job, found["files"], found["versions"])
        if reason is not None:
            said = f"host {rank} ({socket.gethostname()}): {reason.message}"
            reason = replace(reason, message=said)
            store.set(f"ready/{rank}", json.dumps(asdict(reason)))
            raise Apart(reason)
        store.set(f"ready/{rank}", "")
        try:
            if said := store.get("go").decode():
                raise Apart(TrainingFailed(**json.loads(said)))
        except GONE as error:
            raise Apart(_gone(0)) from error
        path = folder / "job.json"
        here = job.model_copy(update={"samples": samples, "work": folder})
        path.write_text(here.model_dump_json(), encoding="utf-8")
        return cls(address, store, rank, count), path, job.config.gpus

    def _lay_down(self, name: str, text: str) -> None:
        pieces = range(0, max(len(text), 1), PIECE)
        for number, start in enumerate(pieces):
            self._store.set(f"{name}/{number}", text[start : start + PIECE])
        self._store.set(name, str(len(pieces)))

    # -- while the processes work ------------------------------------------------------------------

    def watch(self) -> None:
        """From now on end this process (SIGTERM) where another host has failed, or is gone."""
        self._watcher = threading.Thread(target=self._look, daemon=True, name="watch the hosts")
        self._watcher.start()

    def _look(self) -> None:
        heard: dict[int, tuple[int, float]] = {}
        failed = False
        try:
            store = opened(self.address, first=False)
            while not failed and not self._over.wait(LOOK):
                now = time.monotonic()
                store.add(f"beat/{self.rank}", 1)
                for rank in set(range(self.count)) - {self.rank}:
                    beats = store.add(f"beat/{rank}", 0)
                    if beats != heard.get(rank, (-1, 0.0))[0]:
                        heard[rank] = beats, now
                    elif now - heard[rank][1] > SILENCE:
                        self.fail(_gone(rank), store)
                failed = store.check([FAILED])
        except (*GONE, Apart):
            pass  # the first host has gone, or has ended
        if not self._over.wait(GRACE):
            os.kill(os.getpid(), signal.SIGTERM)

    def fail(self, failed: TrainingFailed, store: Any = None) -> None:
        """Say why this host cannot go on; who says it first is believed."""
        with suppress(*GONE):
            (store or self._store).compare_set(FAILED, "", json.dumps(asdict(failed)))

    def failure(self) -> TrainingFailed:
        """Return what ended the training, on whichever host it was."""
        self._over.set()
        try:
            if self._store.check([FAILED]):
                return TrainingFailed(**json.loads(self._store.get(FAILED)))
        except GONE:
            pass
        return _gone(0)

    def close(self) -> None:
        """Let the others read what was said, and leave."""
        self._over.set()
        if self._watcher is not None:
            self._watcher.join()
        if self.rank == 0:
            time.sleep(2 * LOOK)


def say_failed(job: TrainingJob, failed: TrainingFailed) -> None:
    """Let the launchers of all hosts know why a process of theirs gave up."""
    if job.config.hosts > 1 and job.config.main_address and failed.code != 1:
        with suppress(*GONE, Apart):
            store = opened(job.config.main_address, first=False, wait=GRACE)
            store.compare_set(FAILED, "", json.dumps(asdict(failed)))


def ended(rank: int, reason: str) -> TrainingFailed:
    """Return the failure of a host whose process ended without a word."""
    name = socket.gethostname()
    return TrainingFailed(f"a process of host {rank} ({name}) ended: {reason}", code=Exit.APART)


def _gone(rank: int) -> TrainingFailed:
    which = "the first host" if rank == 0 else f"host {rank}"
    return TrainingFailed(f"{which} is gone", hint="see what it says itself", code=Exit.APART)


def _taken_up(store: TCPStore, name: str) -> str:
    try:
        pieces = int(store.get(name))
        return "".join(store.get(f"{name}/{number}").decode() for number in range(pieces))
    except GONE as error:
        raise Apart(_gone(0)) from error


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each file in a folder, by its name: the hosts hold them beside others."""
    return {file.name: file.stat().st_size for file in sorted(folder.iterdir())}


def _cannot(
    job: TrainingJob, files: dict[str, int], wanted: dict[str, str]
) -> TrainingFailed | None:
    """Return why this host cannot take part in a job; None where it can."""
    mine = versions()
    if odd := [name for name in sorted({*wanted, *mine}) if wanted.get(name) != mine.get(name)]:
        found = ", ".join(f"{name} {mine.get(name, 'not there')}" for name in odd)
        expected = ", ".join(f"{name} {wanted.get(name, 'not there')}" for name in odd)
        hint = f"install what the first host has: {expected}"
        return TrainingFailed("other versions are installed here", found, hint, Exit.REFUSED)
    there = _sizes(job.base) if job.base.is_dir() else None
    if there != files:
        found = f"{'other files' if there else 'nothing'} at {job.base}"
        hint = "put it under the same path on every host (a shared file system, or a copy)"
        return TrainingFailed(
            "the model is not there as it is on the first", found, hint, Exit.REFUSED
        )
    if job.resume is not None and not job.resume.is_dir():
        hint = "put the output on a file system that all hosts share, or begin anew elsewhere"
        found = f"nothing at {job.resume}"
        return TrainingFailed("the checkpoint to go on from is not seen", found, hint, Exit.REFUSED)
    if not job.config.device.startswith("cpu"):
        from harness.backends.hf.placement import visible_gpus

        if (gpus := visible_gpus()) < job.config.gpus:
            found = f"torch sees {gpus or 'none'}"
            hint = f"every host takes {job.config.gpus}, as gpus says on the first"
            return TrainingFailed("too few GPUs", found, hint, Exit.REFUSED)
    return None
