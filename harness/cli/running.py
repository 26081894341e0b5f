"""`harness run` and `harness score`: generate, score, gate, report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.parser import add_settings, given_settings, new_command, say
from harness.common.console import Terminal
from harness.config import Settings, find_root, load_typed, project_path

if TYPE_CHECKING:
    from harness.results import RunInfo, Verdict
    from harness.store import Store


def add_commands(commands: Any) -> None:
    """Register both commands."""
    run = new_command(
        commands,
        "run",
        "generate, score, gate and report",
        "run suites/ --model Qwen2.5-7B-Instruct/ --adapter new=out/new",
        "run suites/ --adapter 'out/checkpoint-*' --baseline baselines/production.json",
        "run suites/ --aa                    how much does the same model differ from itself?",
    )
    run.add_argument("suites", nargs="*", metavar="SUITE", help="files or folders")
    add_settings(run)
    run.set_defaults(act=run_command)
    score = new_command(
        commands,
        "score",
        "the same on recorded answers, one JSON row for each case and variant",
        "score suites/ --responses answers.jsonl",
        "score suites/ --responses reports/latest/results.jsonl",
    )
    score.add_argument("suites", nargs="*", metavar="SUITE", help="files or folders")
    add_settings(score, without=_OF_ENGINES)
    score.set_defaults(act=score_command)


# What recorded answers have no use for.
_OF_ENGINES = (
    *("backend", "model", "adapter", "variant", "base_url", "no_warm", "device", "dtype"),
    *("batch_tokens", "engine_arg", "replicas", "ray_address", "trust_remote_code"),
)


def run_command(arguments: argparse.Namespace) -> int:
    """Run the suites on all variants; returns the exit code."""
    settings = read_settings(arguments)
    return _run(settings, arguments)


def score_command(arguments: argparse.Namespace) -> int:
    """Score, gate and report what was recorded in `--responses FILE`."""
    settings = read_settings(arguments, backend="replay")
    return _run(settings, arguments)


def read_settings(arguments: argparse.Namespace, **fixed: Any) -> Settings:
    """Settings of the project around the working directory, with this command line on top."""
    here = Path.cwd()
    root = find_root(here)
    return load_typed(
        Path() if here == root else root, {**given_settings(arguments), **fixed}, here
    )


def typed_path(settings: Settings, text: str) -> Path:
    """Return a path of the command line that is no option of `Settings`, as the project says it."""
    return Path(project_path(Path.cwd(), text, settings.root))


def named_run(store: Store, text: str) -> RunInfo:
    """Return the run that `text` means; say so where a newer one did not finish."""
    from harness.store import find_run

    found, newest = find_run(store, text), store.latest()
    if text == "latest" and newest and newest.id != found.id:
        say(f"note: run {newest.id} is newer, and did not finish", file=sys.stderr)
    return found


def _run(settings: Settings, arguments: argparse.Namespace) -> int:
    from harness.evaluation import run_suites
    from harness.reports import Progress, print_summary

    console = Terminal(stderr=True)
    with Progress(console) as observer:
        report = run_suites(settings, arguments.suites, observer=observer)
    arguments.decided = report.exit_code
    print_summary(Terminal(), report.scorecard, report.paths)
    if report.failure:
        console.print(report.failure, markup=False, highlight=False)
    return tell(report.exit_code, report.gate.verdict)


def tell(code: int, verdict: Verdict | None) -> int:
    """Return the exit code of a run; where nothing was gated, say that beside it."""
    if code == 0 and verdict is None:
        say("exit code 0: nothing was gated, so nothing failed")
    return code
