"""Several processes train one adapter with the steps, the losses and the resuming of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from harness.common import InputError, Message
from harness.training import Pair, TrainingRow
from harness.training.sft import (
    Event,
    LoraSettings,
    Observer,
    Started,
    Stepped,
    TrainedAdapter,
    checkpoints,
    prepare,
    train,
)
from harness.training.sft.checkpoints import step_of
from harness.training.sft.prepare import epoch_order
from harness.training.sft.worker import sharing
from harness.training.sft.worker.sharing import (
    BLANK_TOKENS,
    InOrder,
    StepSampler,
    WithBlank,
    World,
)
from tests.training.sft.made import config_for, pets, write_rows

SAME = 1e-4  # relative: sums in float32 are taken in another order
STEPS = 5  # of 35 samples in steps of eight: the last step of an epoch has three


def test_a_base_in_parts_names_the_transformers_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SHARDS", Version("99"))
    with pytest.raises(InputError) as caught:
        sharing.sharded_loading(World(0, 0, 2))
    (problem,) = caught.value.problems
    assert problem.found == f"transformers {version('transformers')}"
    assert problem.expected == "transformers 99 or newer"


# -- which rows go where ---------------------------------------------------------------------------


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=60),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_a_step_has_the_same_rows_for_any_number_of_processes(
    lengths: list[int], processes: int, each: int, times: int
) -> None:
    batch, at_once = processes * each * times, processes * each
    order = list(StepSampler(lengths, batch, seed=1, at_once=at_once))

    assert len(order) % at_once == 0
    blank = len(lengths)
    wanted = steps_of(epoch_order(lengths, batch, 1, 0), batch)
    assert [[row for row in step if row != blank] for step in steps_of(order, batch)] == wanted


def steps_of(order: list[int], batch: int) -> list[list[int]]:
    return [order[at : at + batch] for at in range(0, len(order), batch)]


def test_alone_nothing_is_filled_up() -> None:
    assert sorted(StepSampler([3, 1, 2], batch=2, seed=1)) == [0, 1, 2]
    assert list(InOrder(3, 1)) == [0, 1, 2]


def test_held_out_rows_are_filled_up_with_blank_ones() -> None:
    assert list(InOrder(3, 4)) == [0, 1, 2, 3]


def test_a_blank_row_teaches_nothing() -> None:
    rows = WithBlank([{"input_ids": [5, 6, 7], "labels": [-100, 6, 7]}])

    assert len(rows) == 1
    assert rows[1] == {"input_ids": [5, 6], "labels": [-100, -100]}


# -- real processes --------------------------------------------------------------------------------


def trained(
    model: Path,
    output: Path,
    rows: tuple[TrainingRow, ...],
    observer: Observer = lambda event: None,
    **changes: Any,
) -> tuple[TrainedAdapter, list[Event]]:
    events: list[Event] = []

    def told(event: Event) -> None:
        events.append(event)
        observer(event)

    settings = {"lora": LoraSettings(rank=4), "max_steps": STEPS, "checkpoint_every": 3, **changes}
    return train(config_for(model, output, **settings), rows, observer=told), events


@pytest.fixture(scope="module")
def alone(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedAdapter:
    """A training in one process."""
    return trained(tiny, tmp_path_factory.mktemp("alone") / "out", pets(43))[0]


def demand_same_steps(adapter: TrainedAdapter, alone: TrainedAdapter) -> None:
    """Demand the losses of one process in every step."""
    pairs = zip(adapter.history.steps, alone.history.steps, strict=True)
    for (step, found), (wanted_step, wanted) in pairs:
        assert step == wanted_step
        assert found == pytest.approx(wanted, rel=SAME)


def demand_same(adapter: TrainedAdapter, alone: TrainedAdapter) -> None:
    """Demand the losses of one process: those of the steps, and nearly those held out.

    A held-out loss is a mean of batches, and their size is another one.
    """
    demand_same_steps(adapter, alone)
    for (_, found), (_, wanted) in zip(
        adapter.history.held_out, alone.history.held_out, strict=True
    ):
        assert found == pytest.approx(wanted, rel=0.005)


def test_two_processes_give_the_losses_of_one(
    tiny: Path, alone: TrainedAdapter, tmp_path: Path
) -> None:
    adapter, events = trained(tiny, tmp_path / "out", pets(43), gpus=2, device_batch_size=2)

    demand_same(adapter, alone)
    (started,) = (event for event in events if isinstance(event, Started))
    assert (started.processes, started.device_batch, started.accumulation) == (2, 2, 2)
    assert [event.step for event in events if isinstance(event, Stepped)] == [1, 2, 3, 4, 5]
    # Also after an evaluation, and but for rows that fill up a step.
    tokens = alone.manifest["run"]["tokens"]
    assert tokens <= adapter.manifest["run"]["tokens"] <= tokens + 16 * BLANK_TOKENS
    assert all(event.tokens > 0 for event in events if isinstance(event, Stepped))
    assert adapter.manifest["run"]["processes"] == 2
    assert [path.name for path in adapter.checkpoints] == ["checkpoint-3", "checkpoint-5"]


@pytest.mark.full
@pytest.mark.slow
def test_each_with_a_part_of_the_base_they_give_the_losses_of_one(
    tiny: Path, alone: TrainedAdapter, tmp_path: Path
) -> None:
    adapter, events = trained(tiny, tmp_path / "out", pets(43), gpus=2, shard=True)

    demand_same(adapter, alone)
    assert next(event for event in events if isinstance(event, Started)).sharded


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("then", [2, 1], ids=("goes on with two", "goes on with one"))
def test_killed_with_all_its_processes_it_goes_on_where_it_was(
    tiny: Path, alone: TrainedAdapter, tmp_path: Path, then: int
) -> None:
    output, rows = tmp_path / "out", pets(43)
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.training.sft import LoraSettings, read_data, train\n"
        "from tests.training.sft.made import config_for\n"
        "config = config_for(Path(sys.argv[1]), Path(sys.argv[2]), data=[sys.argv[3]], gpus=2,\n"
        f"    lora=LoraSettings(rank=4), max_steps={STEPS}, checkpoint_every=1, "
        "device_batch_size=4)\n"
        "train(config, read_data(config)[0], observer=lambda event: print(event, flush=True))\n"
    )
    file = write_rows(tmp_path / "rows.jsonl", rows)
    command = [sys.executable, "-c", code, str(tiny), str(output), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if line.startswith("Saved")), "")
        process.send_signal(signal.SIGKILL)
    assert "step=1" in said
    deadline = time.monotonic() + 60
    while left := workers_of(output):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
    kept = step_of(checkpoints(output)[-1])
    assert 1 <= kept < STEPS

    changes: dict[str, Any] = {"gpus": then, "device_batch_size": 4, "checkpoint_every": 1}
    adapter, events = trained(tiny, output, rows, data=[str(file)], **changes)

    assert next(event for event in events if isinstance(event, Started)).step == kept
    demand_same_steps(adapter, alone)


def workers_of(output: Path) -> list[int]:
    """Return the processes that train into a directory."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes().decode() if folder.name.isdigit() else ""
        except OSError:  # it has ended
            continue
        if "harness.training.sft.worker" in command and str(output) in command:
            found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (
            {"gpus": 64, "device": "auto", "batch_size": 64},
            "gpus: 64 are asked for, and torch sees none\n"
            "  hint: leave gpus out; with device: cpu, they are processes on the CPU",
        ),
        (
            {"gpus": 3},
            "gpus: the rows of a step cannot be shared evenly\n"
            "  found: batch_size 8, gpus 3\n"
            "  hint: say batch_size: 9, or another number of gpus",
        ),
        (
            {"gpus": 2, "device": "cuda:0"},
            "gpus: 2 are to train together, and device names one\n"
            "  found: device cuda:0\n"
            "  hint: say device: cuda; CUDA_VISIBLE_DEVICES chooses among GPUs",
        ),
        (
            {"gpus": 2, "method": "dpo"},
            "gpus: several share the rows of a step with method: sft alone, not with dpo\n"
            "  hint: leave gpus out",
        ),
        (
            {"hosts": 2},
            "hosts and main_address go together, and one of both is said\n"
            "  found: hosts 2, main_address none\n"
            "  hint: say main_address: HOST:PORT of the first",
        ),
        (
            {"main_address": "10.0.0.1:29500"},
            "hosts and main_address go together, and one of both is said\n"
            "  found: hosts 1, main_address 10.0.0.1:29500\n"
            "  hint: say hosts: 2 or more",
        ),
        (
            {"gpus": 3, "hosts": 2, "main_address": "10.0.0.1:29500"},
            "gpus: the rows of a step cannot be shared evenly\n"
            "  found: batch_size 8, gpus 3 on each of 2 hosts\n"
            "  hint: say batch_size: 12, or another number of gpus",
        ),
        (
            {"shard": True},
            "shard: there is one process, and it needs the whole base\n"
            "  hint: say gpus: 2 or more, or leave shard out",
        ),
    ],
    ids=(
        *("more than there are", "uneven", "one named", "pairs", "no address", "one host"),
        *("uneven on two hosts", "nobody to share with"),
    ),
)
def test_what_cannot_be_shared(tiny: Path, changes: dict[str, Any], wanted: str) -> None:
    from harness.backends.hf.placement import visible_gpus

    if changes.get("device") == "auto" and visible_gpus():
        pytest.skip("this machine has GPUs")
    pair = Pair((Message("user", "Which?"),), "This.", "That.", "pairs.jsonl:1")
    with pytest.raises(InputError) as caught:
        prepare(
            config_for(tiny, Path("out"), **changes), [pair] if "method" in changes else pets(12)
        )

    assert str(caught.value) == wanted
