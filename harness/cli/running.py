"""`harness run` and `harness score`: generate, score, gate, report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.parser import (
    add_selection,
    add_settings,
    given_settings,
    new_command,
    say,
    selection_of,
)
from harness.cli.pipelines import add_pipeline, run_told
from harness.common.console import Terminal
from harness.config import Settings, find_root, load_typed, project_path

if TYPE_CHECKING:
    from harness.evaluation import RunReport
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
        "run suites/ --tag smoke --limit 20 --label smoke     a part: no verdict on the whole",
        "run suites/ --aa                    how much does the same model differ from itself?",
    )
    run.add_argument("suites", nargs="*", metavar="SUITE", help="files or folders")
    add_selection(run)
    add_pipeline(run)
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
    add_selection(score)
    add_pipeline(score)
    add_settings(score, without=_OF_ENGINES)
    score.set_defaults(act=score_command)


# What recorded answers have no use for.
_OF_ENGINES = (
    *("backend", "model", "adapter", "variant", "base_url", "no_warm", "device", "dtype"),
    *("batch_tokens", "engine_arg", "replicas", "ray_address", "trust_remote_code"),
)


def run_command(arguments: argparse.Namespace) -> int:
    """Run the suites on all variants; returns the exit code."""
    return _run(arguments)


def score_command(arguments: argparse.Namespace) -> int:
    """Score, gate and report what was recorded in `--responses FILE`."""
    return _run(arguments, backend="replay")


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
    """Return the run that `text` means; say so where a newer one did not finish.

    The folder of its report, or a file in it, names a run as well. Raises RunNotFoundError for
    none.
    """
    from harness.store import find_run

    if Path(text).name != text and Path(text).exists():
        place = Path(text).resolve()  # `reports/latest` is a link
        text = (place if place.is_dir() else place.parent).name
    found = find_run(store, text)
    newest = store.latest()
    if text == "latest" and newest and newest.id != found.id:
        say(f"note: run {newest.id} is newer, and did not finish", file=sys.stderr)
    return found


def _run(arguments: argparse.Namespace, **fixed: Any) -> int:
    from harness.evaluation import export_after, run_suites
    from harness.reports import Progress, print_summary, view_command

    console = Terminal(stderr=True)

    def run() -> tuple[Settings, RunReport]:
        settings = read_settings(arguments, **fixed)
        with Progress(console) as observer:
            report = run_suites(
                settings, arguments.suites, selection=selection_of(arguments), observer=observer
            )
        arguments.decided = report.exit_code
        view = view_command(settings, report.info.id)
        print_summary(Terminal(), report.scorecard, report.paths, view=view)
        if report.failure:
            console.print(report.failure, markup=False, highlight=False)
        for line in export_after(settings, report):
            say(line)
        return settings, report

    report = run_told(arguments, run)
    return tell(report.exit_code, report.gate.verdict, some=bool(report.gate.verdicts))


def tell(code: int, verdict: Verdict | None, *, some: bool = False) -> int:
    """Return the exit code of a run; where the whole has no verdict, say that beside it.

    `some`: there are verdicts on suites.
    """
    if code == 0 and verdict is None:
        what = "the whole was not gated, and no suite" if some else "nothing was gated, so nothing"
        say(f"exit code 0: {what} failed")
    return code
