"""The files of a report: written whole or not at all, and a pointer to the latest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.common import InputError, MachineryError, Problem, make_folder, whole_file
from harness.reports.document import dumps, publish
from harness.reports.html import ScorecardPage
from harness.reports.markdown import to_markdown
from harness.reports.scorecard import Scorecard
from harness.results import PairJudgement, Result, result_to_json

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where the files of one run lie.

    `first` are the cases that the page says to look at first, by candidate and suite in its way,
    or "" for one that passes.
    """

    directory: Path
    html: Path
    json: Path
    results: Path
    markdown: Path
    first: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


def check_writable(directory: Path) -> None:
    """Raise InputError where reports could not be written; makes the directory if need be.

    Meant to be called before a run, so that no hour of generation ends in a full stop.
    """
    try:
        make_folder(directory)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise InputError(
            Problem(
                "no report can be written here",
                path=str(directory),
                found=error.strerror or str(error),
                hint="choose another directory with --report-dir DIR",
            )
        ) from error
    pointer = directory / LATEST
    if pointer.is_dir() and not pointer.is_symlink():
        raise InputError(
            Problem(
                "a directory stands where the pointer to the latest report belongs",
                path=str(pointer),
                hint="rename it, or choose another directory with --report-dir DIR",
            )
        )


def write_reports(
    directory: Path,
    run_id: str,
    scorecard: Scorecard,
    results: Callable[[], Iterable[Result]],
    *,
    point: bool = True,
    judgements: Iterable[PairJudgement] = (),
) -> ReportPaths:
    """Write `directory/run_id/` and, with `point`, let `directory/latest` point to it.

    `results` is called several times and each time gives all results from the start: they are
    never all in memory. `judgements` are the pairs of answers that a judge compared. Raises
    InputError where the directory cannot be written, MachineryError where writing fails on the way
    (a full disk); files of a report that stood there before stay.
    """
    check_writable(directory)
    home = directory / run_id
    paths = ReportPaths(
        directory=home,
        html=home / "scorecard.html",
        json=home / "scorecard.json",
        results=home / "results.jsonl",
        markdown=home / "summary.md",
    )
    document = publish(scorecard)
    page = ScorecardPage(scorecard, document, judgements)
    try:
        home.mkdir(exist_ok=True)
        with whole_file(paths.results) as file:
            for result in results():
                file.write(dumps(result_to_json(result)) + "\n")
                page.see(result)
        with whole_file(paths.html) as file:
            page.write(file, results())
        with whole_file(paths.markdown) as file:
            file.write(to_markdown(scorecard))
        with whole_file(paths.json) as file:
            file.write(document.to_json())
        if point:
            _point(directory / LATEST, run_id)
    except OSError as error:
        raise MachineryError(
            Problem(
                "the report could not be written",
                path=str(home),
                found=error.strerror or str(error),
                hint="results are in the store: make room and score again",
            )
        ) from error
    return replace(paths, first=page.named_first())


def _point(pointer: Path, run_id: str) -> None:
    """Make a symbolic link; a text file with the run's id where the system has no links."""
    temporary = pointer.with_name(f".{LATEST}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(run_id, target_is_directory=True)
        os.replace(temporary, pointer)
    except (OSError, NotImplementedError):
        temporary.unlink(missing_ok=True)
        with whole_file(pointer) as file:
            file.write(run_id + "\n")
