"""What a run tells the pipeline that it is a part of: `--summary`, `--github`, `--gitlab`."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.common import HarnessError, InputError, Problem, visible, whole_file

if TYPE_CHECKING:
    from harness.config import Settings
    from harness.evaluation import RunReport
    from harness.reports import Annotation

CODE_QUALITY = "gl-code-quality-report.json"
DOTENV = "harness.env"


def add_pipeline(parser: argparse.ArgumentParser) -> None:
    """Add the options that tell a pipeline what a run came to."""
    group = parser.add_argument_group("for pipelines")
    group.add_argument(
        "--summary", type=Path, metavar="FILE.md", help="write the verdict as Markdown"
    )
    group.add_argument(
        "--github",
        action="store_true",
        help="annotate lines of suites; write the job's summary and the step's outputs",
    )
    group.add_argument(
        "--gitlab",
        action="store_true",
        help=f"write {CODE_QUALITY} and {DOTENV} into the working directory",
    )


@contextmanager
def guarded(arguments: argparse.Namespace) -> Iterator[None]:
    """Print what a run prints so that GitHub obeys none of it: a model's words stand in there."""
    if not arguments.github:
        yield
        return
    word = secrets.token_hex(16)
    print(f"::stop-commands::{word}", flush=True)
    try:
        yield
    finally:
        print(f"::{word}::", flush=True)


def run_told(
    arguments: argparse.Namespace, run: Callable[[], tuple[Settings, RunReport]]
) -> RunReport:
    """Run, and tell the pipeline what it came to; what goes wrong is told as well, and raised."""
    from harness.reports import annotations_of, annotations_of_error, label, to_markdown
    from harness.suites import load_suites

    if arguments.summary is not None and not arguments.summary.absolute().parent.is_dir():
        what = "no summary can be written here: there is no such folder"
        raise InputError(Problem(what, str(arguments.summary), hint="make the folder first"))
    if arguments.summary is not None and arguments.summary.is_dir():
        what = "no summary can be written here: it is a folder"
        raise InputError(Problem(what, str(arguments.summary), hint="name a file in it"))
    try:
        with guarded(arguments):
            settings, report = run()
    except HarnessError as error:
        wrong = isinstance(error, InputError)
        head = "wrong input, nothing was run" if wrong else "the machinery broke"
        shown = "".join(f"    {visible(line)}\n" for line in str(error).splitlines())
        told = f"## ✗ error: {head}\n\n{shown}"
        outputs = {"verdict": "error", "exit-code": str(error.exit_code)}
        _tell(arguments, told, list(annotations_of_error(error)), outputs)
        raise
    annotations: list[Annotation] = []
    if arguments.github or arguments.gitlab:
        files = [suite.path for suite in report.info.suites]
        suites = load_suites(files, modules=settings.modules)
        places = {case.id: case.position for suite in suites for case in suite.cases}
        lines = {suite.name: suite.line for suite in suites}
        annotations += annotations_of(report.scorecard, report.results(), places, lines)
    outputs = {
        "verdict": report.gate.verdict or "none",
        "exit-code": str(report.exit_code),
        "run": report.info.id,
        "report": str(report.paths.directory),
        "headline": " ".join(card.summary for card in report.scorecard.candidates()),
    }
    outputs["headline"] = outputs["headline"] or label(report.gate.verdict)
    _tell(arguments, to_markdown(report.scorecard), annotations, outputs)
    return report


def _tell(
    arguments: argparse.Namespace,
    summary: str,
    annotations: Sequence[Annotation],
    outputs: dict[str, str],
) -> None:
    from harness.reports import to_code_quality, to_github

    if arguments.summary is not None:
        with whole_file(arguments.summary) as file:
            file.write(summary)
    if arguments.github:
        root = Path(os.environ.get("GITHUB_WORKSPACE", "."))
        for annotation in annotations:
            print(to_github(annotation, root), flush=True)
        _add("GITHUB_STEP_SUMMARY", summary + "\n")
        _add("GITHUB_OUTPUT", "".join(f"{name}={_line(v)}\n" for name, v in outputs.items()))
    if arguments.gitlab:
        root = Path(os.environ.get("CI_PROJECT_DIR", "."))
        with whole_file(Path(CODE_QUALITY)) as file:
            file.write(to_code_quality(annotations, root))
        with whole_file(Path(DOTENV)) as file:
            for name, value in outputs.items():
                file.write(f"HARNESS_{name.upper().replace('-', '_')}={_line(value)}\n")


def _add(variable: str, text: str) -> None:
    """Add to the file that GitHub names in a variable; nothing where it names none."""
    if name := os.environ.get(variable):
        with open(name, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)


def _line(text: str) -> str:
    """Return a text in one line: in these files a line is a value."""
    return visible(" ".join(text.split()))
