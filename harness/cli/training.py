"""`harness train`, `harness merge` and `harness lint-adapter`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.training.trainer import TrainConfig, TrainedAdapter


def add_commands(commands: Any) -> None:
    """Register the three commands."""
    train = commands.add_parser("train", help="train a LoRA adapter", allow_abbrev=False)
    train.add_argument("config", metavar="CONFIG.yaml", help="see docs/training.md")
    train.add_argument("--output", metavar="DIR", help="where the adapter goes, instead of there")
    train.add_argument(
        "--dry-run", action="store_true", help="check everything and count; train nothing"
    )
    train.set_defaults(act=train_command)
    merge = commands.add_parser(
        "merge", help="make one model of an adapter and its base", allow_abbrev=False
    )
    merge.add_argument("adapter", metavar="ADAPTER", help="a LoRA adapter's directory")
    merge.add_argument("--out", metavar="DIR", required=True, help="a new directory")
    merge.add_argument("--model", metavar="M", help="the base, if not the one the adapter names")
    merge.add_argument("--device", metavar="DEVICE", default="cpu", help="default: cpu")
    merge.set_defaults(act=merge_command)
    lint = commands.add_parser(
        "lint-adapter", help="look for what makes an adapter useless", allow_abbrev=False
    )
    lint.add_argument("adapter", metavar="DIR", help="from peft, trl, ms-swift, LLaMA-Factory ...")
    lint.add_argument("--model", metavar="M", help="the base, if not the one the adapter names")
    lint.set_defaults(act=lint_command)


def train_command(arguments: argparse.Namespace) -> int:
    """Train as the file says; the same command goes on with a training that was interrupted."""
    from rich.console import Console

    from harness.training.trainer import TrainingProgress, load_train_config, read_data, train

    given = {"output": arguments.output} if arguments.output else {}
    config = load_train_config(Path(arguments.config), **given)
    rows, held_out = read_data(config)
    if arguments.dry_run:
        return _plan(config, rows, held_out)
    with TrainingProgress(Console(stderr=True)) as observer:
        done = train(config, rows, held_out=held_out, observer=observer, cache=Path(".harness"))
    _tell(done)
    return 0


def merge_command(arguments: argparse.Namespace) -> int:
    """Merge, and say how well the merged model agrees with the adapter on its base."""
    from harness.training.merging import merge

    merged = merge(
        arguments.adapter, Path(arguments.out), model=arguments.model, device=arguments.device
    )
    print(f"merged: {merged.path}")
    print(f"  {merged.agreement()}")
    return 0


def lint_command(arguments: argparse.Namespace) -> int:
    """Print what was found; exit code 2 where the adapter cannot be used as it is."""
    from harness.training.linting import lint_adapter

    report = lint_adapter(arguments.adapter, arguments.model)
    for line in report.lines():
        print(line)
    return 2 if report.errors else 0


def _plan(config: TrainConfig, rows: Any, held_out: Any) -> int:
    from harness.training.trainer import prepare

    counts = prepare(config, rows, held_out, Path(".harness")).counts
    print(
        f"{counts['rows']} rows, {counts['replay']} of them replay; {counts['held_out']} held out"
    )
    print(f"  {counts['tokens']:,} tokens in an epoch, {counts['answer_tokens']:,} in the loss")
    print(f"  longest: {counts['longest']:,} tokens; too long: {counts['dropped_as_too_long']}")
    print(f"  {counts['steps']} steps of {config.batch_size} rows")
    print("nothing was trained")
    return 0


def _tell(done: TrainedAdapter) -> None:
    held = done.manifest["metrics"]["held_out_loss"]
    loss = f", held-out loss {held:.4f}" if held is not None else ""
    print(f"adapter {done.path}: step {done.step} of {done.steps}{loss}")
    if done.checkpoints:
        print(f"compare its checkpoints: harness run --adapter '{done.path}/checkpoint-*'")
    print(f"gate it: harness run --adapter new={done.path}")
