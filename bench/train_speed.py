"""LoRA training: tokens per second of our trainer beside trl's SFTTrainer called directly.

    python -m bench.train_speed                              the embedded model, on a CPU
    python -m bench.train_speed --shape 7b --device cuda     a random model as large as Qwen2.5-7B

Both train the same rows (seeded random tokens, lengths as in chats, a third of each row in the
loss) with the same LoRA settings, batch and number format, one after the other, each on a model
made anew. trl is called as its documentation has it: rows in random order. Ours puts rows of
similar lengths into one step, computes deterministically, and looks at every step's loss. Tokens
are those of rows, padding not counted; the first steps are not timed. `--grouped` gives trl its
own grouping by length too. `--rounds N` repeats both in turn and prints medians.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForCausalLM, Qwen2Config, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from harness.backends.hf.placement import Placement, place, use_threads
from harness.prompts import load_tokenizer
from harness.training.sft import LoraSettings, TrainConfig
from harness.training.sft.config import PROJECTIONS
from harness.training.sft.encoding import IGNORED, Sample
from harness.training.sft.job import Job, Samples
from harness.training.sft.worker.run import be_deterministic, dataset, new_trainer

EMBEDDED = Path("fixtures/model")
WARM = 3  # steps that are not timed
SHAPES = {  # hidden, intermediate, layers, heads, key-value heads, vocabulary: as published
    "7b": (3584, 18944, 28, 28, 4, 152064),
    "0.5b": (896, 4864, 24, 14, 2, 151936),
}


@dataclass(frozen=True)
class Setting:
    """What both are told."""

    batch: int
    at_once: int
    steps: int
    checkpointing: bool
    placement: Placement


@dataclass(frozen=True)
class Speed:
    """Tokens of rows a second, and the most memory (GB, on a GPU)."""

    tokens: float
    memory: float


class Clock(TrainerCallback):
    """Times of step ends, and the tokens of rows that were seen by then."""

    def __init__(self, trainer: Any) -> None:
        self.seen = 0
        self.ends: list[tuple[float, int]] = []
        collate = trainer.data_collator

        def counted(rows: list[dict[str, Any]]) -> Any:
            self.seen += sum(len(row["input_ids"]) for row in rows)
            return collate(rows)

        trainer.data_collator = counted

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append((time.perf_counter(), self.seen))

    def speed(self) -> float:
        """Tokens a second after the first steps."""
        (begun, before), (ended, after) = self.ends[WARM - 1], self.ends[-1]
        return (after - before) / (ended - begun)


def rows(count: int, longest: int, vocabulary: int) -> tuple[Sample, ...]:
    """Random tokens; lengths are log-normal around a quarter of the longest."""
    rng = random.Random("train_speed")
    found = []
    for index in range(count):
        length = max(16, min(longest, round(rng.lognormvariate(0, 0.7) * longest / 4)))
        ids = tuple(rng.randrange(10, vocabulary) for _ in range(length))
        start = length - length // 3
        labels = (IGNORED,) * start + ids[start:]
        found.append(Sample(ids, labels, index, (start,), (1,)))
    return tuple(found)


def new_model(shape: str, placement: Placement) -> Any:
    """The embedded model, or a random one made where it runs."""
    if shape == "embedded":
        config: Any = AutoConfig.from_pretrained(EMBEDDED)
    else:
        hidden, inner, layers, heads, shared, vocabulary = SHAPES[shape]
        config = Qwen2Config(
            hidden_size=hidden,
            intermediate_size=inner,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=shared,
            vocab_size=vocabulary,
            tie_word_embeddings=False,
        )
    with torch.device(placement.device):
        torch.manual_seed(1)
        make: Any = AutoModelForCausalLM.from_config  # transformers leaves it untyped
        return make(config, dtype=placement.dtype)


def ours(shape: str, samples: tuple[Sample, ...], setting: Setting, work: Path) -> Speed:
    """Our worker's own trainer, callbacks and all; only the checkpoint at the end is left out."""
    config = TrainConfig(
        model=str(EMBEDDED),
        output=work / "ours",
        lora=LoraSettings(),
        batch_size=setting.batch,
        max_steps=setting.steps,
        checkpoint_every=10**9,
    )
    job = Job(
        config=config,
        base=EMBEDDED,
        samples=work,
        work=work,
        device_batch=setting.at_once,
        checkpointing=setting.checkpointing,
    )
    be_deterministic(setting.placement)
    model = new_model(shape, setting.placement)
    tokenizer = load_tokenizer(EMBEDDED)
    data = Samples((), samples, ())
    trainer = new_trainer(job, data, tokenizer, setting.placement, lambda event: None, model=model)
    trainer._save_checkpoint = lambda model, trial: None  # type: ignore[method-assign]
    return _timed(trainer)


def direct(
    shape: str, samples: tuple[Sample, ...], setting: Setting, work: Path, *, grouped: bool
) -> Speed:
    """trl alone."""
    torch.use_deterministic_algorithms(False)
    cpu = setting.placement.device.type == "cpu"
    arguments = SFTConfig(
        output_dir=str(work / "trl"),
        per_device_train_batch_size=setting.at_once,
        gradient_accumulation_steps=setting.batch // setting.at_once,
        gradient_checkpointing=setting.checkpointing,
        max_steps=setting.steps,
        learning_rate=2e-4,
        max_length=None,
        bf16=setting.placement.dtype is torch.bfloat16,
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        train_sampling_strategy="group_by_length" if grouped else "random",
    )
    trainer = SFTTrainer(
        model=new_model(shape, setting.placement),
        args=arguments,
        train_dataset=dataset(samples),
        processing_class=load_tokenizer(EMBEDDED).tokenizer,
        peft_config=LoraConfig(
            r=16, lora_alpha=32, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM"
        ),
    )
    return _timed(trainer)


def _timed(trainer: Any) -> Speed:
    clock = Clock(trainer)
    trainer.add_callback(clock)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    memory = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else 0.0
    return Speed(clock.speed(), memory)


def main() -> None:
    """Measure both in turn and print the ratio."""
    options = _options()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as in our worker
    placement = place(options.device, "auto")
    threads = use_threads(options.threads)
    setting = Setting(
        options.batch, options.at_once, options.steps + WARM, options.checkpointing, placement
    )
    vocabulary = SHAPES[options.shape][-1] if options.shape in SHAPES else 4096
    samples = rows(options.rows, options.longest, vocabulary)
    total = sum(len(sample.ids) for sample in samples)
    print(
        f"torch {torch.__version__}, {placement.device}, {placement.dtype_name}, {threads} threads"
    )
    print(f"{len(samples)} rows, {total:,} tokens, longest {max(len(s.ids) for s in samples)}")
    measured: dict[str, list[Speed]] = {"trl": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        measure: dict[str, Callable[[], Speed]] = {
            "trl": lambda: direct(options.shape, samples, setting, work, grouped=options.grouped),
            "ours": lambda: ours(options.shape, samples, setting, work),
        }
        for turn in range(options.rounds):
            for name, run in measure.items():
                speed = run()
                measured[name].append(speed)
                said = f"{speed.tokens:,.0f} tokens/s, {speed.memory:.1f} GB"
                print(f"round {turn + 1}, {name}: {said}", flush=True)
                gc.collect()
                torch.cuda.empty_cache()
    middle = {name: median(s.tokens for s in found) for name, found in measured.items()}
    print(f"medians: trl {middle['trl']:,.0f}, ours {middle['ours']:,.0f} tokens/s", end="; ")
    print(f"ratio {middle['ours'] / middle['trl']:.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--shape", choices=("embedded", *SHAPES), default="embedded")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--longest", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--grouped", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
