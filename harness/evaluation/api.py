"""Runs from Python: what `harness run`, `score` and `compare` do, with values instead of text.

`options` are the settings of `harness.toml`, which are those of the command line: `model="DIR"`,
`adapter=["new=out/new"]`, `baseline="latest"`. They stand on top of the configuration of the
project around the working directory, and their paths are relative to that directory. Wrong input
raises `InputError`, broken machinery `MachineryError`, with the text that the commands print.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.config import Settings, find_root, load_selected, load_typed
from harness.evaluation.compare import ComparisonReport, compare_runs
from harness.evaluation.run import RunReport, reopen, run_selected
from harness.evaluation.variants import variants_of
from harness.reports import SavedRun
from harness.reports import load_run as load_folder
from harness.results import Observer, ignore
from harness.store import existing_store, find_run
from harness.suites import Selection, Suite

SuiteInput = str | Path | Suite


def run(
    suites: SuiteInput | Iterable[SuiteInput] = (),
    *,
    select: Selection | None = None,
    observer: Observer = ignore,
    **options: Any,
) -> RunReport:
    """Generate what is missing, score, gate and report.

    `suites` are files, folders and loaded suites; without any, those of the configuration. `select`
    takes part of their cases, and a part has no verdict on the whole.
    """
    return _run(_settings(options), suites, select, observer)


def score(
    suites: SuiteInput | Iterable[SuiteInput] = (),
    *,
    responses: str | Path,
    select: Selection | None = None,
    observer: Observer = ignore,
    **options: Any,
) -> RunReport:
    """Score, gate and report answers that were recorded: one JSON row for each case and variant."""
    given = {**options, "responses": responses, "backend": "replay"}
    return _run(_settings(given), suites, select, observer)


def compare(*runs: str | Path, insist: bool = False, **options: Any) -> ComparisonReport:
    """Compare runs with the first of them, paired by case.

    Each is `RUN`, `RUN:VARIANT`, the folder of a report or a baseline file; RUN is an id, its
    beginning or `latest`. `insist` compares cases and environments that differ all the same.
    """
    return compare_runs(_settings(options), [str(each) for each in runs], insist=insist)


def load_run(name: str | Path = "latest", **options: Any) -> SavedRun:
    """Read an earlier run: by the folder of its report, by its id, its beginning, or `latest`.

    A run of the store whose report is gone has it written again.
    """
    if isinstance(name, Path) or "/" in name or Path(name).exists():
        return load_folder(name)
    settings = _settings(options)
    with existing_store(settings.path(settings.store)) as store:
        info = find_run(store, name)
    folder = settings.path(settings.report_dir) / info.id
    if not (folder / "scorecard.json").is_file():
        reopen(settings, info.id)
    return load_folder(folder)


def _settings(options: dict[str, Any]) -> Settings:
    here = Path.cwd()
    root = find_root(here)
    return load_typed(Path() if here == root else root, options, here)


def _run(
    settings: Settings,
    suites: SuiteInput | Iterable[SuiteInput],
    select: Selection | None,
    observer: Observer,
) -> RunReport:
    given = [suites] if isinstance(suites, str | Path | Suite) else list(suites)
    variants = variants_of(settings)
    loaded: Sequence[Suite] = [each for each in given if isinstance(each, Suite)]
    named = [str(each) for each in given if not isinstance(each, Suite)]
    if named or not loaded:
        loaded = [*loaded, *load_selected(named, settings, beside=loaded)]
    return run_selected(settings, loaded, variants, select or Selection(), observer)
