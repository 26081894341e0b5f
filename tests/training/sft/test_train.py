"""Real trainings of a tiny model, each in a real process, with real kills and real limits."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.backends import Address, BackendOptions, Request
from harness.backends.adapters import open_adapter
from harness.backends.hf.backend import HfBackend
from harness.backends.models import open_model
from harness.common import InputError, MachineryError, Message, Sampling, Variant
from harness.config import Settings
from harness.evaluation import variants_of
from harness.training import TrainingRow
from harness.training.sft import (
    Evaluated,
    Event,
    LoraSettings,
    Saved,
    Started,
    Stepped,
    TrainingNote,
    checkpoints,
    train,
)
from harness.training.sft.checkpoints import WEIGHTS
from tests.training.sft.conftest import Run
from tests.training.sft.made import config_for, pets, write_rows

MEGABYTE = 2**20


def weights(directory: Path) -> bytes:
    return (directory / WEIGHTS).read_bytes()


# -- what comes out --------------------------------------------------------------------------------


def test_training_tells_of_its_beginning_every_step_and_every_checkpoint(run: Run) -> None:
    kinds = [type(event) for event in run.events if not isinstance(event, TrainingNote)]

    assert kinds[0] is Started
    assert kinds.count(Stepped) == 10
    assert [event.step for event in run.events if isinstance(event, Saved)] == [4, 8, 10]
    assert [event.step for event in run.events if isinstance(event, Evaluated)] == [4, 8, 10]


def test_every_prompt_is_proven_before_the_first_step(run: Run) -> None:
    started = next(event for event in run.events if isinstance(event, Started))

    assert started.proven == 40
    assert started.samples == 32
    assert started.held_out == 8


def test_the_loss_falls(run: Run) -> None:
    losses = [loss for _, loss in run.adapter.history.steps]
    held_out = [loss for _, loss in run.adapter.history.held_out]

    assert losses[-1] < 0.9 * losses[0]
    assert held_out[-1] < held_out[0]


def test_the_output_is_an_adapter_without_pickles(run: Run) -> None:
    names = {path.name for path in run.adapter.path.iterdir()}

    assert {"adapter_model.safetensors", "adapter_config.json", "manifest.json"} <= names
    assert {"README.md", "loss.svg", "tokenizer.json", "chat_template.jinja"} <= names
    assert not [path for path in run.adapter.path.rglob("*") if path.suffix in (".bin", ".pt")]
    assert not list(run.adapter.path.rglob(".*"))


def test_the_adapter_and_every_checkpoint_fit_the_base(run: Run, tiny: Path) -> None:
    base = open_model(str(tiny))

    for path in (run.adapter.path, *run.adapter.checkpoints):
        opened = open_adapter(str(path), base)
        assert opened.rank == 4
        assert opened.unserved == ()
        assert opened.config["base_model_name_or_path"] == str(tiny)


def test_checkpoints_are_kept_and_named_in_order(run: Run) -> None:
    assert [path.name for path in run.adapter.checkpoints] == ["checkpoint-08", "checkpoint-10"]


def test_checkpoints_are_candidates_by_a_pattern(run: Run, tiny: Path) -> None:
    adapters = (f"new={run.adapter.path}", f"{run.adapter.path}/checkpoint-*")
    variants = variants_of(Settings(model=str(tiny), adapter=adapters)).members

    backend = HfBackend(BackendOptions(variants, device="cpu", engine_args={"threads": 1}))
    try:
        said = {name: answer(backend, variant) for name, variant in named(variants).items()}
    finally:
        backend.close()

    assert list(said) == ["base", "new", "checkpoint-08", "checkpoint-10"]
    assert said["new"] == said["checkpoint-10"]


def named(variants: tuple[Variant, ...]) -> dict[str, Variant]:
    return {variant.name: variant for variant in variants}


def answer(backend: HfBackend, variant: Variant) -> str:
    prompt = backend.prompt((Message("user", "Animal 1? "),), variant)
    address = Address("animal", variant.name, 0)
    request = Request(variant.name, address, variant, prompt, Sampling(max_new_tokens=8))
    ((_, completion),) = backend.generate([request])
    return completion.text


def test_the_manifest_says_what_it_was_made_from(run: Run) -> None:
    manifest = json.loads((run.adapter.path / "manifest.json").read_text(encoding="utf-8"))

    assert manifest["data"]["rows"] == 32
    assert manifest["data"]["replay"] == 7
    assert manifest["data"]["sources"] == {"pets.jsonl": 40}
    assert manifest["guard"] == {"hits": 0}
    assert manifest["settings"]["seed"] == 42
    assert set(manifest["identity"]) == {"model", "template", "rows", "held_out", "recipe"}
    assert {"torch", "transformers", "peft", "trl", "harness"} <= set(manifest["versions"])
    assert len(manifest["metrics"]["losses"]) == 10


def test_a_finished_training_is_not_done_again(run: Run, rows: tuple[TrainingRow, ...]) -> None:
    events: list[Event] = []

    again = train(run.config, rows, observer=events.append)

    assert again == run.adapter
    assert events == [TrainingNote(f"{run.config.output} holds this adapter already")]


def test_other_rows_do_not_go_into_the_same_directory(
    run: Run, rows: tuple[TrainingRow, ...]
) -> None:
    with pytest.raises(InputError) as caught:
        train(run.config, rows[:30])

    assert str(caught.value) == (
        f"{run.config.output}: holds another trained adapter\n"
        "  found: other rows, held_out\n"
        "  hint: train into another directory, or remove this one"
    )


# -- what gets in the way --------------------------------------------------------------------------


def test_killed_and_then_without_room_it_ends_with_the_same_weights(
    run: Run, tiny: Path, rows: tuple[TrainingRow, ...], tmp_path: Path
) -> None:
    config = config_for(tiny, tmp_path / "out")

    kill_after_first_checkpoint(config.output, tiny, write_rows(tmp_path / "rows.jsonl", rows))
    kept = checkpoints(config.output)
    assert [path.name for path in kept] == ["checkpoint-04"]

    with pytest.raises(MachineryError) as caught:
        train(config, rows, observer=limit_files)
    assert str(caught.value.problems[0]).splitlines()[0] == f"{config.output}: the disk is full"
    assert caught.value.problems[0].hint == (
        "the checkpoint of step 4 is kept; make room and run the same command again"
    )
    assert [path.name for path in config.output.glob("*heckpoint*")] == ["checkpoint-04"]

    events: list[Event] = []
    adapter = train(config, rows, observer=events.append)
    assert next(event for event in events if isinstance(event, Started)).step == 4
    assert weights(adapter.path) == weights(run.adapter.path)
    assert adapter.history == run.adapter.history


def kill_after_first_checkpoint(output: Path, model: Path, rows: Path) -> None:
    """Start a training in a process of its own, and end that with SIGKILL after one checkpoint."""
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.training.sft import Saved, read_data, train\n"
        "from tests.training.sft.made import config_for\n"
        "config = config_for(Path(sys.argv[1]), Path(sys.argv[2]), data=[sys.argv[3]])\n"
        "train(config, read_data(config)[0], observer=lambda event: print(event, flush=True))\n"
    )
    command = [sys.executable, "-c", code, str(model), str(output), str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = next((line for line in process.stdout if line.startswith("Saved")), "")
        process.send_signal(signal.SIGKILL)
    assert "step=4" in said


def limit_files(event: Event) -> None:
    """No file may grow beyond a few bytes, as on a disk without room."""
    if isinstance(event, Started):
        resource.prlimit(event.pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


def test_a_training_goes_on_only_with_what_it_was_begun_with(
    tiny: Path, rows: tuple[TrainingRow, ...], tmp_path: Path
) -> None:
    config = config_for(tiny, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        train(config, rows, observer=stop_when_saved)

    with pytest.raises(InputError) as caught:
        train(config.model_copy(update={"learning_rate": 1e-3}), rows)

    assert str(caught.value) == (
        f"{config.output}: holds another training that is not finished, and it cannot go on with "
        "these\n"
        "  found: other recipe\n"
        "  hint: take what it was begun with, train into another directory, or remove this one"
    )


def stop_when_saved(event: Event) -> None:
    if isinstance(event, Saved):
        raise KeyboardInterrupt


def test_what_has_saved_nothing_yet_may_begin_anew_with_other_settings(
    tiny: Path, rows: tuple[TrainingRow, ...], tmp_path: Path
) -> None:
    config = config_for(tiny, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        train(config, rows, observer=stop_at_once)

    with pytest.raises(KeyboardInterrupt):  # it was on its way: the directory is not refused
        train(config.model_copy(update={"learning_rate": 1e-3}), rows, observer=stop_at_once)


def stop_at_once(event: Event) -> None:
    raise KeyboardInterrupt


def test_out_of_memory_a_fresh_process_takes_half_the_rows_at_once(
    tiny: Path, tmp_path: Path
) -> None:
    limited: list[int] = []
    events: list[Event] = []

    def limit_first(event: Event) -> None:
        events.append(event)
        if isinstance(event, Started) and not limited:
            limited.append(event.pid)
            most = virtual_memory(event.pid) + 8 * MEGABYTE
            resource.prlimit(event.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))

    config = config_for(tiny, tmp_path / "out", max_steps=2, held_out_share=0)
    adapter = train(config, pets(24, length=40), observer=limit_first)

    starts = [event for event in events if isinstance(event, Started)]
    assert [(start.device_batch, start.accumulation) for start in starts] == [(8, 1), (4, 2)]
    assert starts[0].pid != starts[1].pid
    assert (
        TrainingNote("memory ran out; a fresh process goes on with 4 rows at once, 2 times a step")
        in events
    )
    assert adapter.manifest["run"]["device_batch"] == 4
    assert adapter.history.held_out == ()


# What torch says itself, once: where nothing is deterministic, as on a CPU, it would not be asked.
ONCE = """
from pathlib import Path
import torch

def forward(self, values, before=torch.nn.Linear.forward):
    said = Path({said!r})
    if not said.exists():
        said.touch()
        torch.use_deterministic_algorithms(True)
        torch.zeros(2).put_(torch.tensor([0, 0]), torch.ones(2))
    return before(self, values)

torch.nn.Linear.forward = forward
"""


@pytest.mark.full
def test_without_a_deterministic_kernel_a_fresh_process_goes_on_and_says_so(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(ONCE.format(said=str(tmp_path / "said")))
    monkeypatch.syspath_prepend(str(tmp_path))
    events: list[Event] = []

    adapter = train(
        config_for(tiny, tmp_path / "out", max_steps=2), pets(12), observer=events.append
    )

    assert (tmp_path / "said").exists()
    notes = [event.text for event in events if isinstance(event, TrainingNote)]
    assert (
        "put_ has no deterministic kernel on this device: a fresh process "
        "goes on, and two trainings with the same seed may differ in their last digits"
    ) in notes
    assert adapter.step == 2


def virtual_memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_loss_that_rises_stops_the_training_with_advice(
    tiny: Path, rows: tuple[TrainingRow, ...], tmp_path: Path
) -> None:
    config = config_for(
        tiny, tmp_path / "out", learning_rate=1, max_steps=40, lora=LoraSettings(alpha=10_000)
    )

    with pytest.raises(MachineryError) as caught:
        train(config, rows)

    assert "training diverged in step" in str(caught.value)
    assert "lower learning_rate to 0.25 or so" in str(caught.value)
