"""The commands from Python: `run`, `score`, `compare`, `load_run` and `fix`, with typed values.

`options` are the settings of `harness.toml`, which are those of the command line: `model="DIR"`,
`adapter=["new=out/new"]`, `baseline="latest"`. They stand on top of the configuration of the
project around the working directory, and their paths are relative to that directory. Wrong input
raises `InputError`, broken machinery `MachineryError`, with the text that the commands print.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from harness.config import Settings, find_root, load_selected, load_typed, project_path
from harness.evaluation import (
    ComparisonReport,
    RunReport,
    compare_runs,
    export_after,
    reopen,
    run_selected,
    variants_of,
)
from harness.reports import SavedRun
from harness.reports import load_run as load_folder
from harness.results import Observer, ignore
from harness.store import existing_store, find_run
from harness.suites import Selection, Suite

if TYPE_CHECKING:  # a repair's room is loaded when one begins
    from harness.training.repair import DryRun, FixReport

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


@overload
def fix(
    run: str = ...,
    *,
    dry_run: Literal[False] = ...,
    say: Callable[[str], None] = ...,
    **options: Any,
) -> FixReport | None: ...


@overload
def fix(
    run: str = ..., *, dry_run: Literal[True], say: Callable[[str], None] = ..., **options: Any
) -> DryRun | None: ...


def fix(
    run: str = "latest",
    *,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda text: None,
    suites: str | Sequence[str] = (),
    candidate: str | None = None,
    rounds: int | None = None,
    method: Literal["sft", "dpo", "grpo", "auto"] | None = None,
    bad_cases: str | Path | None = None,
    paraphrases: int = 0,
    current: str | Path | None = None,
    gpus: int | None = None,
    hosts: int | None = None,
    main_address: str | None = None,
    **options: Any,
) -> FixReport | DryRun | None:
    """Repair what failed in a run, as `harness fix` does, and write the report; None: nothing did.

    `dry_run` returns the plan with the first rows, and trains nothing. `say` is told each stage.
    The same call goes on where a repair was interrupted.
    """
    from harness.training import repair

    settings = _settings(options)

    def typed(path: str | Path) -> Path:
        return Path(project_path(Path.cwd(), path, settings.root))

    asked = repair.FixOptions(
        run=run,
        suites=(suites,) if isinstance(suites, str) else tuple(suites),
        variant=candidate,
        rounds=rounds,
        method=method,
        bad_cases=typed(bad_cases) if bad_cases else None,
        paraphrases=paraphrases,
        gpus=gpus,
        hosts=hosts,
        main_address=main_address,
        **({"current": typed(current)} if current else {}),
    )
    if dry_run:
        return repair.dry_run(settings, asked)
    report = repair.fix(settings, asked, say=say)
    if report is not None:
        repair.write_report(settings, report)
    return report


def _settings(options: dict[str, Any]) -> Settings:
    here = Path.cwd()
    root = find_root(here)
    # A path may be a `Path`, and what may be given several times may stand alone.
    given = {
        name: [str(part) if isinstance(part, Path) else part for part in value]
        if isinstance(value, list | tuple)
        else str(value)
        if isinstance(value, Path)
        else value
        for name, value in options.items()
    }
    return load_typed(Path() if here == root else root, given, here)


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
    report = run_selected(settings, loaded, variants, select or Selection(), observer)
    return replace(report, exported=export_after(settings, report))
