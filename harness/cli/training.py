"""`harness train`, `join-training`, `merge` and `lint-adapter`."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.parser import OTHER_CODES, add_gpus, add_settings, new_command, say
from harness.cli.running import read_settings
from harness.common import InputError, Problem, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.config import Settings
    from harness.suites import Suite
    from harness.training.sft import TrainConfig


TRAIN = """\
The file names a base model, files of rows and an output directory; docs/training.md has the rest.
Out comes a directory that peft, transformers and vLLM load as it is. The same command goes on where
a training was interrupted. Exit code 0: the adapter is there."""
MERGE = """\
Writes a model for engines that take no adapters, asks it and the adapter on its base the same
prompts, and prints how far the two agree. Exit code 0: the merged model is there."""
JOIN = """\
Takes part in a training that another host leads with --hosts and --main-address: it says what is
trained and with how many processes, and writes the adapter. Models have to lie under the same path
on all hosts. Exit code 0: the training is over."""
LINT = """\
Looks at the files of an adapter from peft, trl, ms-swift, LLaMA-Factory or anywhere else; no
weights of the base are loaded. Exit code 0: nothing is wrong, or there are warnings only; 2: it
does nothing, or not what it should."""


def add_commands(commands: Any) -> None:
    """Register the commands."""
    train = new_command(
        commands,
        "train",
        "train a LoRA adapter",
        "train train.yaml --dry-run        check everything, count rows, tokens and steps",
        "train train.yaml --output out/new",
        "train train.yaml --gpus 4         on four GPUs of this machine, with the steps of one",
        "train train.yaml --gpus 8 --hosts 2 --main-address 10.0.0.1:29500",
        about=TRAIN,
        codes=OTHER_CODES,
    )
    train.add_argument("config", metavar="CONFIG.yaml", help="see docs/training.md")
    train.add_argument("--output", metavar="DIR", help="where the adapter goes, instead of there")
    add_gpus(train)
    train.add_argument(
        "--dry-run", action="store_true", help="check everything and count; train nothing"
    )
    add_settings(train, only=("backend",))
    train.set_defaults(act=train_command, said_in_file=_said_in_file)
    join = new_command(
        commands,
        "join-training",
        "take part in a training that another host leads",
        "join-training 10.0.0.1:29500",
        "join-training 10.0.0.1:29500 --stay   in all trainings of a harness fix",
        about=JOIN,
        codes=OTHER_CODES,
    )
    join.add_argument("address", metavar="HOST:PORT", help="the first host's --main-address")
    join.add_argument(
        "--stay", action="store_true", help="wait for further trainings, up to 15 minutes for each"
    )
    join.set_defaults(act=join_command)
    merge = new_command(
        commands,
        "merge",
        "make one model of an adapter and its base",
        "merge out/new --out merged/new",
        "merge out/new --out merged/new --model Qwen/Qwen2.5-7B-Instruct --device cuda",
        about=MERGE,
        codes=OTHER_CODES,
    )
    merge.add_argument("adapter", metavar="ADAPTER", help="a LoRA adapter's directory")
    merge.add_argument("--out", metavar="DIR", required=True, help="a new directory")
    merge.add_argument("--model", metavar="M", help="the base, if not the one the adapter names")
    merge.add_argument("--device", metavar="DEVICE", default="cpu", help="default: cpu")
    merge.set_defaults(act=merge_command)
    lint = new_command(
        commands,
        "lint-adapter",
        "look for what makes an adapter useless",
        "lint-adapter out/new",
        "lint-adapter downloads/adapter --model Qwen/Qwen2.5-7B-Instruct",
        about=LINT,
        codes=OTHER_CODES,
    )
    lint.add_argument("adapter", metavar="DIR", help="a LoRA adapter's directory")
    lint.add_argument("--model", metavar="M", help="the base, if not the one the adapter names")
    lint.set_defaults(act=lint_command)


def _said_in_file(option: str) -> str:
    from harness.training.sft import said_in_file

    return said_in_file(option)


def train_command(arguments: argparse.Namespace) -> int:
    """Train as the file says; the same command goes on with a training that was interrupted."""
    from harness.training.sft import demand_files, load_train_config, placed, read_data

    path = Path(arguments.config)
    given = {name: getattr(arguments, name) for name in ("output", "gpus", "hosts", "main_address")}
    given = {name: value for name, value in given.items() if value}
    config = load_train_config(path, **given)
    suites: Sequence[Suite] = ()
    settings = read_settings(arguments)
    demand_files(path, config)
    if config.select == "suites":  # what is wrong with them is found before anything is trained
        from harness.config import load_selected
        from harness.training.repair import selection_suites

        suites = selection_suites(load_selected([str(name) for name in config.suites], settings))
    try:
        rows, held_out = read_data(config)
        if arguments.dry_run:
            return _plan(config, rows, held_out)
        return _train(config, rows, held_out, settings, suites)
    except InputError as error:
        raise placed(path, error) from None


def _train(
    config: TrainConfig, rows: Any, held_out: Any, settings: Settings, suites: Sequence[Suite]
) -> int:
    from harness.common.console import Terminal
    from harness.training.sft import TrainingProgress, train, unused_settings

    errors = Terminal(stderr=True)
    for told in unused_settings(config):
        say(f"note: {told}", file=sys.stderr)
    with TrainingProgress(errors) as observer:
        done = train(config, rows, held_out=held_out, observer=observer, cache=Path(".harness"))
    if suites:
        from harness.common import Variant
        from harness.reports import Progress
        from harness.training.repair import select_checkpoint, selection_lines

        changed = {"device": config.device, "dtype": config.dtype}
        engine = settings.model_copy(update=changed)
        base, names = Variant("base", config.model), {suite.name for suite in suites}
        with Progress(errors) as progress:
            found = select_checkpoint(engine, base, done, suites, names, observer=progress)
        for line in selection_lines(found):
            say(line)
        say(f"adapter {done.path}: step {found['step']} of {done.steps}, chosen by suites")
    else:
        held = done.manifest["metrics"]["held_out_loss"]
        loss = f", held-out loss {held:.4f}" if held is not None else ""
        say(f"adapter {done.path}: step {done.step} of {done.steps}{loss}")
    if done.checkpoints and not suites:
        checkpoints = f"{done.path}/checkpoint-*"
        say("compare its checkpoints: " + shlex.join(("harness", "run", "--adapter", checkpoints)))
    say("gate it: " + shlex.join(("harness", "run", "--adapter", f"new={done.path}")))
    return 0


def join_command(arguments: argparse.Namespace) -> int:
    """Train with other hosts until the training is over."""
    from harness.common.console import Terminal
    from harness.training.sft import TrainingProgress, is_address, join_training

    if not is_address(arguments.address):
        what = f"{arguments.address!r} is no address of a training"
        raise InputError(Problem(what, expected="HOST:PORT, as --main-address says it there"))
    with TrainingProgress(Terminal(stderr=True)) as observer:
        done = join_training(arguments.address, stay=arguments.stay, observer=observer)
    say(f"took part in {plural(done, 'training')}; the first host has the adapter")
    return 0


def merge_command(arguments: argparse.Namespace) -> int:
    """Merge, and say how well the merged model agrees with the adapter on its base."""
    from harness.common.console import Terminal
    from harness.training.merging import merge

    with Terminal(stderr=True).status("merging, and asking both the same prompts"):
        merged = merge(
            arguments.adapter, Path(arguments.out), model=arguments.model, device=arguments.device
        )
    say(f"merged: {merged.path}")
    say(f"  {merged.agreement()}")
    return 0


def lint_command(arguments: argparse.Namespace) -> int:
    """Print what was found; exit code 2 where the adapter cannot be used as it is."""
    from harness.training.linting import lint_adapter

    report = lint_adapter(arguments.adapter, arguments.model)
    for line in report.lines():
        say(line)
    return 2 if report.errors else 0


def _plan(config: TrainConfig, rows: Any, held_out: Any) -> int:
    """Check all that a training checks before its first step; print what it would do."""
    from harness.training.sft import check_output, prepare, rehearse, unserved, unused_settings

    prepared = prepare(config, rows, held_out, Path(".harness"))
    done, counts = check_output(prepared), prepared.counts
    rehearse(prepared)
    say(f"{counts['rows']} rows, {counts['replay']} of them replay; {counts['held_out']} held out")
    say(f"  {counts['tokens']:,} tokens in an epoch, {counts['answer_tokens']:,} in the loss")
    say(f"  longest: {counts['longest']:,} tokens; too long: {counts['dropped_as_too_long']}")
    say(f"  {counts['steps']} steps of {config.batch_size} rows")
    for told in (*unused_settings(config), *unserved(config)):
        say(f"  note: {told}")
    say(f"{config.output} holds this adapter already" if done else "nothing was trained")
    return 0
