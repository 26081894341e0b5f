"""LoRA training: tokens per second of our trainer beside trl's SFTTrainer called directly.

    python -m bench.train_speed                              the embedded model, on a CPU
    python -m bench.train_speed --shape 7b --device cuda     random weights in Qwen2.5-7B's shape

Whole epochs over the same rows (seeded random tokens, a third of each row in the loss), the same
LoRA settings, 16 rows a step. Each run is a process of its own; rounds alternate, and medians are
printed with the losses of steps 1 and 6 and a hash of the trained weights. The contestants:

    trl        trl's defaults: gradient checkpointing, 8 rows at once
    trl-16     trl without gradient checkpointing, all 16 rows at once
    trl-tuned  liger's kernels, LoRA's addition fused by hand, attention without padding
    ours       our worker as it is without options
    ours-liger with `liger: true`

All are given steps of similar lengths but trl and trl-16, which draw rows at random, as trl does.
`--qlora` holds the base in four bits. `--held-out N` times an evaluation too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from bench.dummy_7b import dummy_model
from harness.backends.hf.placement import Placement, place, use_threads
from harness.prompts import load_tokenizer
from harness.training.sft import TrainConfig
from harness.training.sft.config import PROJECTIONS
from harness.training.sft.encoding import IGNORED, Sample
from harness.training.sft.job import Event, Samples, TrainingJob, TrainingNote
from harness.training.sft.worker.answers import dataset
from harness.training.sft.worker.kernels import (
    collate_varlen,
    torch_varlen,
    use_liger,
    use_varlen,
)
from harness.training.sft.worker.run import new_trainer, on_device
from harness.training.sft.worker.sharing import StepSampler

EMBEDDED = Path("fixtures/model")
BATCH = 16
CONTESTANTS = ("trl", "trl-16", "trl-tuned", "ours", "ours-liger")


@dataclass(frozen=True)
class Measured:
    """Tokens of rows a second over a whole epoch and in an evaluation, and what came out."""

    training: float
    evaluation: float
    memory: float  # GB at most
    losses: tuple[float, ...]
    held_out_loss: float
    weights: str
    notes: tuple[str, ...]


class Clock(TrainerCallback):
    """Times of step ends after the first step began, and losses."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.losses: list[float] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the beginning of the first step."""
        if not self.times:
            self._note()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the end of a step, and ask for its loss."""
        self._note()
        control.should_log = True

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Note a loss."""
        if logs and "loss" in logs:
            self.losses.append(float(logs["loss"]))

    def _note(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())


def rows(count: int, shortest: int, longest: int, vocabulary: int, seed: str) -> list[Sample]:
    """Random tokens; the last third of each row is its answer."""
    rng = random.Random(seed)
    found = []
    for index in range(count):
        length = rng.randint(shortest, longest)
        ids = tuple(rng.randrange(10, vocabulary) for _ in range(length))
        start = length - length // 3
        labels = (IGNORED,) * start + ids[start:]
        found.append(Sample(ids, labels, index, (start,), (1,)))
    return found


def new_model(folder: Path, placement: Placement, *, qlora: bool) -> Any:
    """A random model of the shape in `folder`, made where it runs."""
    make: Any = AutoModelForCausalLM.from_config  # transformers leaves it untyped
    with torch.device(placement.device):
        torch.manual_seed(1)
        model = make(AutoConfig.from_pretrained(folder), dtype=placement.dtype)
    if qlora:
        from bitsandbytes.nn import Linear4bit, Params4bit

        for module in list(model.model.layers.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    bias = child.bias is not None
                    packed = Linear4bit(
                        child.in_features, child.out_features, bias, placement.dtype,
                        compress_statistics=True, quant_type="nf4", device="meta",
                    )  # fmt: skip
                    weight = child.weight.data.cpu()
                    packed.weight = Params4bit(
                        weight, requires_grad=False, quant_type="nf4", compress_statistics=True
                    ).to(placement.device)
                    packed.bias = child.bias
                    setattr(module, name, packed)
        model.is_loaded_in_4bit = True
    return model


def ours(options: argparse.Namespace, samples: Samples, work: Path, *, liger: bool) -> Measured:
    """Our worker's own trainer, callbacks and all; only checkpoints are left out."""
    placement = place(options.device, "auto")
    config = TrainConfig(
        model=str(options.model),
        output=work / "ours",
        batch_size=BATCH,
        epochs=1,
        checkpoint_every=10**9,
        patience=None,
        liger=liger,
        qlora=options.qlora,
        warmup=0.0,
    )
    job = TrainingJob(config=config, base=options.model, samples=work, work=work)
    said: list[Event] = []
    job, kernels = on_device(job, samples, placement, said.append)
    model = new_model(options.model, placement, qlora=options.qlora)
    tokenizer = load_tokenizer(EMBEDDED)
    trainer: Any = new_trainer(job, samples, tokenizer, placement, kernels, said.append, model)
    trainer._save_checkpoint = lambda model, trial: None
    return _timed(trainer, samples, [note.text for note in said if isinstance(note, TrainingNote)])


class _SameSteps(SFTTrainer):
    """trl with our steps of similar lengths."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        data: Any = self.train_dataset
        return StepSampler([len(ids) for ids in data["input_ids"]], BATCH, self.args.seed)


def direct(options: argparse.Namespace, samples: Samples, work: Path, kind: str) -> Measured:
    """trl alone: as it is, with all rows at once, or tuned by hand."""
    placement = place(options.device, "auto")
    cpu = placement.device.type == "cpu"
    at_once = 8 if kind == "trl" else BATCH
    arguments = SFTConfig(
        output_dir=str(work / "trl"),
        per_device_train_batch_size=at_once,
        per_device_eval_batch_size=at_once,
        gradient_accumulation_steps=BATCH // at_once,
        gradient_checkpointing=kind == "trl",
        num_train_epochs=1,
        learning_rate=2e-4,
        lr_scheduler_type="cosine",
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        bf16=placement.dtype is torch.bfloat16,
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    model = new_model(options.model, placement, qlora=options.qlora)
    tuned = kind == "trl-tuned"
    if tuned:
        use_liger(model)
        use_varlen(model, torch_varlen())
    trainer = (_SameSteps if tuned else SFTTrainer)(
        model=model,
        args=arguments,
        train_dataset=dataset(samples.train),
        eval_dataset=dataset(samples.held_out) if samples.held_out else None,
        data_collator=collate_varlen if tuned else None,
        processing_class=load_tokenizer(EMBEDDED).tokenizer,
        peft_config=LoraConfig(
            r=16, lora_alpha=32, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM"
        ),
    )
    if tuned:
        for layer in trainer.model.modules():  # type: ignore[union-attr]
            if isinstance(layer, LoraLayer):
                _add_in_product(layer)
    return _timed(trainer, samples, [])


def _add_in_product(layer: Any) -> None:
    """Let the product with LoRA's second matrix add to the projection; cast no input."""
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    base, scale = layer.get_base_layer(), layer.scaling["default"]

    def forward(x: Any) -> Any:
        result = base(x)
        inner = nn.functional.linear(x, a).flatten(0, -2)
        added = torch.addmm(result.flatten(0, -2), inner, b.t().to(inner.dtype), alpha=scale)
        return added.view(result.shape)

    layer.forward = forward


def _timed(trainer: Any, samples: Samples, notes: Sequence[str]) -> Measured:
    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    memory = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0
    digest = hashlib.sha256()
    for _name, parameter in sorted(trainer.model.named_parameters()):
        if parameter.requires_grad:
            digest.update(parameter.detach().float().cpu().numpy().tobytes())
    rate = loss = 0.0
    if samples.held_out:
        begun = time.perf_counter()
        loss = float(trainer.evaluate()["eval_loss"])
        rate = sum(len(sample.ids) for sample in samples.held_out) / (time.perf_counter() - begun)
    tokens = sum(len(sample.ids) for sample in samples.train)
    seconds = clock.times[-1] - clock.times[0]
    weights = digest.hexdigest()[:16]
    return Measured(
        tokens / seconds, rate, memory, tuple(clock.losses), loss, weights, tuple(notes)
    )


def measure(name: str, options: argparse.Namespace, pipe: Any) -> None:
    """Run one contestant in this process."""
    warnings.simplefilter("ignore")
    use_threads(options.threads)
    vocabulary = AutoConfig.from_pretrained(options.model).vocab_size
    sizes = (options.shortest, options.longest, vocabulary)
    samples = Samples(
        (),
        tuple(rows(options.rows, *sizes, "train")),
        tuple(rows(options.held_out, *sizes, "held out")),
    )
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if name.startswith("ours"):
            found = ours(options, samples, work, liger=name == "ours-liger")
        else:
            found = direct(options, samples, work, name)
    pipe.send(found)


def main() -> None:
    """Measure all contestants in turn and print medians."""
    options = _options()
    # In a process of its own, no run has the kernels, caches and patches of another.
    spawning = multiprocessing.get_context("spawn")
    measured: dict[str, list[Measured]] = {name: [] for name in options.only}
    with tempfile.TemporaryDirectory() as folder:
        options.model = dummy_model(Path(folder)) if options.shape == "7b" else EMBEDDED
        for turn in range(options.rounds):
            for name in options.only:
                ours_end, theirs = spawning.Pipe(duplex=False)
                child = spawning.Process(target=measure, args=(name, options, theirs))
                child.start()
                theirs.close()
                try:
                    found = ours_end.recv()
                except EOFError:
                    print(f"round {turn + 1}, {name}: failed", flush=True)
                    continue
                finally:
                    child.join()
                measured[name].append(found)
                print(f"round {turn + 1}, {name}: {_said(found)}", flush=True)
                for note in found.notes if turn == 0 else ():
                    print(f"  {note}", flush=True)
                if options.json:
                    lists = {key: [asdict(one) for one in each] for key, each in measured.items()}
                    options.json.write_text(json.dumps(lists, indent=1))
    print(f"torch {torch.__version__}, medians of {options.rounds}")
    for name, each in measured.items():
        if each:
            hashes = len({one.weights for one in each})
            same = "the same weights" if hashes == 1 else "other weights"
            training = median(one.training for one in each)
            evaluation = median(one.evaluation for one in each)
            memory = max(one.memory for one in each)
            print(
                f"{name:11} {training:8,.0f} tokens/s  evaluation {evaluation:8,.0f}  "
                f"{memory:5.1f} GB  each time {same}"
            )


def _said(found: Measured) -> str:
    losses = ", ".join(f"{found.losses[at]:.4f}" for at in (0, 5) if at < len(found.losses))
    return (
        f"{found.training:,.0f} tokens/s, evaluation {found.evaluation:,.0f}, "
        f"{found.memory:.1f} GB; losses {losses}, held out {found.held_out_loss:.4f}; "
        f"weights {found.weights}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--shape", choices=("embedded", "7b"), default="embedded")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--shortest", type=int, default=300)
    parser.add_argument("--longest", type=int, default=500)
    parser.add_argument("--held-out", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--qlora", action="store_true")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=("trl", "trl-16", "ours"))
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
