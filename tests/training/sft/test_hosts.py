"""Two hosts train one adapter as one process does: two launches that meet on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.common import InputError, MachineryError
from harness.training.sft import (
    Event,
    Saved,
    Started,
    TrainedAdapter,
    TrainingNote,
    checkpoints,
)
from harness.training.sft.checkpoints import step_of
from harness.training.sft.job import Exit, TrainingJob
from harness.training.sft.manifest import versions
from harness.training.sft.worker import hosts
from harness.training.sft.worker.hosts import Apart, Rendezvous, opened
from tests.training.sft.made import config_for, pets
from tests.training.sft.test_sharing import (
    STEPS,
    demand_same,
    demand_same_steps,
    trained,
    workers_of,
)


@pytest.fixture
def address() -> str:
    """A free port on loopback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="module")
def alone(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedAdapter:
    """A training in one process."""
    return trained(tiny, tmp_path_factory.mktemp("alone") / "out", pets(43))[0]


@dataclass
class Second:
    """The other host: a process with a folder of its own for what it is sent."""

    address: str
    folder: Path

    def __enter__(self) -> subprocess.Popen[str]:
        self.folder.mkdir()
        command = [sys.executable, "-m", "harness", "join-training", self.address]
        environment = {**os.environ, "TMPDIR": str(self.folder), "COLUMNS": "200"}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, env=environment, **pipes)
        return self.process

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_two_hosts_give_the_losses_of_one(
    tiny: Path, alone: TrainedAdapter, tmp_path: Path, address: str
) -> None:
    with Second(address, tmp_path / "second") as second:
        adapter, events = trained(
            tiny,
            tmp_path / "out",
            pets(43),
            hosts=2,
            main_address=address,
            device_batch_size=2,
        )
        said, _ = second.communicate(timeout=60)

    demand_same(adapter, alone)
    (started,) = (event for event in events if isinstance(event, Started))
    assert (started.processes, started.device_batch, started.accumulation) == (2, 2, 2)
    assert said == "took part in 1 training; the first host has the adapter\n"
    assert second.returncode == 0
    notes = [event.text for event in events if isinstance(event, TrainingNote)]
    assert f"waiting for 1 other host; on each of the others: harness join-training {address}" in (
        notes
    )


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("shard", [False, True], ids=("whole bases", "parts of the base"))
def test_a_process_that_is_killed_ends_all_hosts_and_both_go_on(
    tiny: Path, alone: TrainedAdapter, tmp_path: Path, address: str, shard: bool
) -> None:
    asked: dict[str, Any] = {
        "hosts": 2,
        "main_address": address,
        "device_batch_size": 4,
        "checkpoint_every": 1,
        "shard": shard,
    }
    output, folder = tmp_path / "out", tmp_path / "second"

    def kill(event: Event) -> None:
        if isinstance(event, Saved) and event.step == 1:
            (worker,) = [pid for pid in workers_of(folder) if pid != os.getpid()]
            os.kill(worker, signal.SIGKILL)

    with Second(address, folder) as second:
        with pytest.raises(MachineryError) as caught:
            trained(tiny, output, pets(43), observer=kill, **asked)
        _, said = second.communicate(timeout=60)

    assert str(caught.value).startswith(f"{output}: a process of host 1 (")
    assert "ended: signal SIGKILL" in str(caught.value)
    kept = step_of(checkpoints(output)[-1])
    hint = f"the checkpoint of step {kept} is kept; run the same commands again, on every host"
    assert 1 <= kept < STEPS and hint in str(caught.value)
    assert second.returncode == 3 and "ended: signal SIGKILL" in said
    assert not workers_of(output) and not workers_of(folder)

    with Second(address, tmp_path / "again") as second:
        adapter, events = trained(tiny, output, pets(43), **asked)
        second.communicate(timeout=60)

    assert next(event for event in events if isinstance(event, Started)).step == kept
    demand_same_steps(adapter, alone)


# -- who may take part -----------------------------------------------------------------------------


def odd_versions(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "versions", lambda: {**versions(), "torch": "1.0"})


def no_model(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    job.base.rename(job.base.with_name("elsewhere"))


def other_model(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    (job.base / "more.safetensors").write_bytes(b"weights")


def no_checkpoint(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    assert job.resume is not None
    job.resume.rmdir()


def too_few_gpus(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.backends.hf.placement.visible_gpus", lambda: 1)


@pytest.mark.parametrize(
    ("spoil", "message", "found"),
    [
        (odd_versions, "other versions are installed here", "torch 1.0"),
        (no_model, "the model is not there as it is on the first", "nothing at "),
        (other_model, "the model is not there as it is on the first", "other files at "),
        (no_checkpoint, "the checkpoint to go on from is not seen", "nothing at "),
        (too_few_gpus, "too few GPUs", "torch sees 1"),
    ],
)
def test_a_host_that_is_not_like_the_first_is_refused_on_both(
    spoil: Callable[[TrainingJob, pytest.MonkeyPatch], None],
    message: str,
    found: str,
    tmp_path: Path,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, resume = tmp_path / "model", tmp_path / "checkpoint-3"
    base.mkdir()
    resume.mkdir()
    told = {"hosts": 2, "gpus": 2, "main_address": address, "device": "cuda"}
    config = config_for(base, tmp_path / "out", **told)
    samples = tmp_path / "samples.jsonl"
    samples.write_text("")
    job = TrainingJob(config=config, base=base, samples=samples, work=tmp_path, resume=resume)
    laid_down = threading.Event()
    heard: list[Apart] = []

    def call() -> None:
        try:
            Rendezvous.call(job, called=laid_down.set)
        except Apart as error:
            heard.append(error)

    first = threading.Thread(target=call)
    first.start()
    laid_down.wait(60)
    spoil(job, monkeypatch)
    folder = tmp_path / "second"
    folder.mkdir()
    with pytest.raises(Apart) as caught:
        Rendezvous.join(address, folder)
    first.join(60)

    failed = caught.value.failed
    assert failed.message == f"host 1 ({socket.gethostname()}): {message}"
    assert failed.found.startswith(found) and failed.hint
    assert failed.code == Exit.REFUSED
    assert [error.failed for error in heard] == [failed]


def test_where_nobody_waits_that_is_said(address: str) -> None:
    with pytest.raises(Apart) as caught:
        opened(address, first=False, wait=1.0)

    assert caught.value.failed.message == f"no training waits at {address}"
    assert caught.value.failed.code == Exit.NOBODY


def test_an_address_that_is_taken_is_said(tiny: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError) as caught:
            trained(tiny, tmp_path / "out", pets(12), hosts=2, main_address=address)

    assert f"main_address: this host cannot listen at {address}" in str(caught.value)
    assert "name an address and a free port of this host" in str(caught.value)


def test_what_is_no_address(tiny: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["join-training", "nowhere"]) == 2
    assert capsys.readouterr().err == (
        "'nowhere' is no address of a training\n"
        "  expected: HOST:PORT, as --main-address says it there\n"
    )
    file = tmp_path / "train.yaml"
    file.write_text(f"model: {tiny}\noutput: out\nhosts: 2\nmain_address: nowhere\n")
    assert main(["train", str(file)]) == 2
    assert "train.yaml:4:15: " in capsys.readouterr().err
