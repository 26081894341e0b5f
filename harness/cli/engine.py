"""`harness engine up | status | down`: a warm engine on this machine, ready for the next run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.parser import add_settings, new_command, say
from harness.cli.running import read_settings
from harness.common import MachineryError, Problem

IDLE_MINUTES = 30.0
# Options of a run that say nothing about an engine.
_NOT_HERE: tuple[str, ...] = (
    "aa",
    "base_url",
    "baseline",
    "batch_tokens",
    "early_stop",
    "no_warm",
    "reference",
)
_NOT_HERE += ("ray_address", "replicas", "report_dir", "responses", "time_limit", "backend")


def add_commands(commands: Any) -> None:
    """Register the three commands under `harness engine`."""
    engine = new_command(
        commands,
        "engine",
        "keep an engine warm between runs",
        "engine up --model Qwen2.5-7B-Instruct/ --adapter new=out/new",
        "run suites/ --backend vllm          asks the warm engine, if it fits",
        "engine status",
        "engine down",
    )
    inner = engine.add_subparsers(dest="what", metavar="up|status|down", required=True)
    up = new_command(
        inner,
        "up",
        "start vLLM and keep it",
        "engine up --model Qwen2.5-7B-Instruct/ --adapter 'out/checkpoint-*'",
        "engine up --idle-timeout 120 --engine-arg max_model_len=8192",
        about="An engine that is kept is vLLM's: there is no --backend to choose.",
    )
    add_settings(up, without=_NOT_HERE)
    up.add_argument(
        "--idle-timeout",
        type=_minutes,
        default=IDLE_MINUTES,
        metavar="MINUTES",
        help="end it when it was not asked for so long (default: 30)",
    )
    up.set_defaults(act=up_command)
    for name, act, text in (
        ("status", status_command, "which engine is warm"),
        ("down", down_command, "end it, and give its memory back"),
    ):
        parser = new_command(inner, name, text, f"engine {name}")
        parser.add_argument("--store", default=argparse.SUPPRESS, metavar="FILE", help="its place")
        if name == "status":
            help_text = "end with 3 where an engine is kept that does not answer"
            parser.add_argument("--check", action="store_true", help=help_text)
        parser.set_defaults(act=act)


def up_command(arguments: argparse.Namespace) -> int:
    """Start a warm engine for the project's model; returns when it answers."""
    from harness.backends import BackendOptions
    from harness.backends.vllm.server.starting import base_of, start
    from harness.common.console import Terminal
    from harness.config import engine_arguments
    from harness.evaluation import variants_of

    settings = read_settings(arguments, backend="vllm")
    # Answers that are recorded for runs are no matter of an engine.
    variants = variants_of(settings.model_copy(update={"responses": None})).members
    model = next((v.model for v in variants if v.adapter), variants[0].model)
    options = BackendOptions(
        variants=base_of(variants, model),
        device=settings.device,
        dtype=settings.dtype,
        trust_remote_code=settings.trust_remote_code,
        engine_args=engine_arguments(settings),
        cache_dir=settings.path(settings.store).parent,
    )
    console = Terminal(stderr=True)
    with console.status("starting vLLM") as line:
        warm = start(options, 60 * arguments.idle_timeout, lambda text: line.update(text))
    say(f"warm engine up: {warm.model} at {warm.url}")
    say(f"runs with --backend vllm use it; it ends after {arguments.idle_timeout:g} min unused")
    return 0


def status_command(arguments: argparse.Namespace) -> int:
    """Say which engine is warm."""
    from harness.backends.vllm.server import find_engine, wrong_with_engine

    if arguments.check and (wrong := wrong_with_engine(_place(arguments))):
        hint = "harness engine down, then up; its log is engine/vllm.log beside the store"
        raise MachineryError(Problem("the warm engine is not well", found=wrong, hint=hint))
    warm = find_engine(_place(arguments))
    if warm is None:
        say("no warm engine; start one: harness engine up")
        _print_others()
        return 0
    facts = {
        "model": warm.model,
        "stage": warm.stage,
        "address": warm.url,
        "up since": warm.started,
        "dtype": warm.environment.get("dtype"),
        "max_model_len": warm.max_model_len,
        "max_lora_rank": warm.max_lora_rank,
        "ends after": f"{warm.idle / 60:g} min unused",
        "processes": f"{warm.keeper} (keeper), {warm.server} (vLLM)",
        "log": warm.log,
    }
    for name, value in facts.items():
        say(f"{name:14} {value}")
    return 0


def down_command(arguments: argparse.Namespace) -> int:
    """End the warm engine."""
    from harness.backends.vllm.server import end

    warm = end(_place(arguments))
    say(f"warm engine of {warm.model} ended" if warm else "no warm engine to end")
    if warm is None:
        _print_others()
    return 0


def _print_others() -> None:
    """Engines beside other stores: who looks for one most likely means one of those."""
    from harness.backends.vllm.server import holders

    found = holders()
    if found:
        say("engines of other projects (other stores):")
    for problem in found:
        say(problem)


def _place(arguments: argparse.Namespace) -> Path:
    settings = read_settings(arguments)
    return settings.path(settings.store).parent


def _minutes(text: str) -> float:
    """Read a time in minutes; argparse reports anything else."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes")
    return value
