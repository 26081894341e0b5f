"""How training grows with the GPUs: tokens a second, and the losses beside those of one.

    python -m bench.train_gpus --shape 7b --gpus 1 2 [--shard] [--steps 12] [--rows 16] [--out FILE]
    python -m bench.train_gpus --device cpu --gpus 1 2

Writes a model of random weights in Qwen2.5-7B's shape (or takes --model), and random rows of 300
to 500 tokens for it; then trains the same steps by `harness.training.sft.train` on each number of
GPUs, `--rows` a step for each GPU (weak scaling), and once more on one GPU with as many rows as the
most GPUs have (the loss curve that theirs is held against). With `--shard` also with the base split
among the most GPUs, and with `--kill` a training that is killed after its first checkpoint and goes
on. With `--leave GB` another process holds all memory but this of every GPU, so that the base does
not fit on one: it is trained on one, which has to be refused, and on the most without being told to
split it. Prints one JSON object: for each training tokens a second (the median of all steps but the
first two), seconds from the start to the first step, rows at once, and the losses; the largest
relative difference of a loss from that on one GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.dummy_7b import NAME, SHAPES
from harness.common import Message
from harness.prompts import load_tokenizer
from harness.training import TrainingRow
from harness.training.sft import Event, Started, Stepped, TrainConfig, TrainingNote, train

WARM = 2  # steps that are not counted: kernels are chosen, memory is taken
SHORTEST, LONGEST = 300, 500  # tokens of a row
WORDS = ("ask", "river", "seven", "open", "green", "table", "under", "letter", "north", "quick")


def random_rows(count: int, model: Path) -> tuple[TrainingRow, ...]:
    """Return rows whose lengths in tokens are drawn evenly; the same for the same model."""
    draw, tokenizer = random.Random(0), load_tokenizer(model)
    each = len(tokenizer.tokenizer.encode(" ".join(WORDS * 10))) / (len(WORDS) * 10)
    rows = []
    for number in range(count):
        words = int(draw.randint(SHORTEST, LONGEST) / each)
        asked, answered = (
            " ".join(draw.choice(WORDS) for _ in range(part)) for part in (words // 2, words // 2)
        )
        messages = (Message("user", f"{number}: {asked}"), Message("assistant", answered))
        rows.append(TrainingRow(messages, f"random:{number}"))
    return tuple(rows)


def measured(config: TrainConfig, rows: tuple[TrainingRow, ...]) -> dict[str, Any]:
    """Train, and return what was seen."""
    begun = time.monotonic()
    steps: list[Stepped] = []
    told: dict[str, Any] = {}

    def see(event: Event) -> None:
        if isinstance(event, Stepped):
            steps.append(event)
            if len(steps) == 1:
                told["first_step_after"] = round(time.monotonic() - begun, 1)
        elif isinstance(event, Started):
            told["rows_at_once"] = event.device_batch
            told["checkpointing"], told["sharded"] = event.checkpointing, event.sharded
            told["from_step"] = event.step
        elif isinstance(event, TrainingNote):
            told.setdefault("notes", []).append(event.text)

    adapter = train(config, rows, observer=see, cache=config.output.parent)
    rates = [step.tokens / step.seconds for step in steps[WARM:] if step.seconds]
    return {
        **told,
        "tokens_a_second": round(statistics.median(rates)) if rates else None,
        "slowest": round(min(rates)) if rates else None,
        "losses": [round(loss, 6) for _, loss in adapter.history.steps],
    }


def killed(file: Path) -> None:
    """Run a training of this module in a process, and kill that after its first checkpoint."""
    command = [sys.executable, "-m", "bench.train_gpus", "--trained", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Saved"):
                break
        os.kill(process.pid, signal.SIGKILL)


HOLD = """
import sys, time, torch
kept = []
for gpu in range(int(sys.argv[1])):
    free = torch.cuda.mem_get_info(gpu)[0]
    size = int(free - float(sys.argv[2]) * 1e9)
    kept.append(torch.empty(size, dtype=torch.uint8, device=f"cuda:{gpu}"))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def crowded(gpus: int, leave: float) -> Iterator[None]:
    """Let another process hold the memory of all GPUs but `leave` GB of each."""
    command = [sys.executable, "-c", HOLD, str(gpus), str(leave)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            assert process.stdout.readline() == b"held\n"
            yield
        finally:
            process.stdin.close()  # it ends with its input


def difference(losses: Sequence[float], wanted: Sequence[float]) -> float:
    """Return the largest relative difference of two curves."""
    return max(abs(a - b) / abs(b) for a, b in zip(losses, wanted, strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=tuple(SHAPES), help="a model of random weights")
    parser.add_argument("--model", type=Path, default=Path("fixtures/model"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rows", type=int, default=16, help="of a step, for each GPU")
    parser.add_argument("--shard", action="store_true")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--leave", type=float, metavar="GB", help="of each GPU's memory")
    parser.add_argument("--only", nargs="+", metavar="LABEL", help="of these trainings")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--trained", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.trained:
        told = json.loads(options.trained.read_text(encoding="utf-8"))
        config = TrainConfig.model_validate(told["config"])
        rows = random_rows(told["rows"], Path(config.model))
        train(config, rows, observer=lambda event: print(event, flush=True))
        return
    most = max(options.gpus)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = options.model
        if options.shape:
            model = folder / NAME.format(options.shape)
            place = "cpu" if options.device == "cpu" else "cuda"
            make = [sys.executable, "-m", "bench.dummy_7b", name]
            # In a process of its own: this one keeps no memory of a GPU.
            subprocess.run([*make, f"--shape={options.shape}", f"--device={place}"], check=True)
        rows = random_rows(options.steps * options.rows * most, model)

        def settings(label: str, gpus: int, batch: int, **more: Any) -> TrainConfig:
            return TrainConfig.model_validate(
                {
                    "model": str(model),
                    "output": folder / label,
                    "held_out_share": 0,
                    "max_steps": options.steps,
                    "batch_size": batch,
                    "device": options.device,
                    "gpus": gpus,
                    "keep": "last",
                    "learning_rate": 1e-4,
                    **more,
                }
            )

        def add(label: str, config: TrainConfig) -> None:
            if options.only and label not in options.only:
                return
            try:
                found[label] = measured(config, rows)
            except Exception as error:  # the others are still worth their time
                found[label] = {"error": str(error)}
            print(label, json.dumps(found[label]), file=sys.stderr, flush=True)

        for gpus in options.gpus:
            add(f"{gpus} GPUs", settings(f"gpus-{gpus}", gpus, options.rows * gpus))
        if most > 1:
            add("reference", settings("reference", 1, options.rows * most))
        if options.shard:
            add("sharded", settings("sharded", most, options.rows * most, shard=True))
        if options.leave:
            with crowded(most, options.leave):
                add("too large for one", settings("too-large", 1, options.rows * most))
                add("too large, on all", settings("crowded", most, options.rows * most))
        if options.kill:
            again = settings(
                "killed", most, options.rows * most, checkpoint_every=options.steps // 2
            )
            file = folder / "killed.json"
            kept = {"config": again.model_dump(mode="json"), "rows": len(rows)}
            file.write_text(json.dumps(kept), encoding="utf-8")
            killed(file)
            add("killed", again)
    wanted = found.get("reference", {}).get("losses")
    for label in (f"{most} GPUs", "sharded", "too large, on all", "killed"):
        if wanted and "losses" in found.get(label, {}):
            apart = difference(found[label]["losses"], wanted)
            found[label]["apart_from_one_gpu"] = float(f"{apart:.3g}")
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
