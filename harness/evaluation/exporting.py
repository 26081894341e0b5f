"""Runs for other programs: one that is named, and each one that has just ended, where configured.

An export after a run changes nothing of the run: what goes wrong is told, with the command that
does it again, and the exit code stays that of the verdict.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.common import HarnessError, InputError, Problem, plural, visible
from harness.config import Settings
from harness.evaluation.run import RunReport, reopen
from harness.exports import Destination, Exported, RunExport, check_target, export_to
from harness.reports import publish
from harness.store import Store, count_results, remark_of

MOST_LINES = 6  # that are told of what went wrong


def export_run(
    settings: Settings,
    run: str | RunReport,
    target: str,
    *,
    into: Path | None = None,
    shards: int = 1,
    force: bool = False,
    tags: Mapping[str, str] | None = None,
) -> Exported:
    """Export a run of the store, by its id or as it was reported, to the target of this name.

    `into` is the folder of what is written as files: else one for the run and the target, in the
    configured place. `tags` go with those of the configuration. Raises InputError and
    MachineryError as `export_to` does; InputError, too, for a run without any result.
    """
    check_target(target)
    name = run if isinstance(run, str) else run.info.id
    with Store(settings.path(settings.store)) as store:
        results, remark = count_results(store, name), remark_of(store, name)
        ended = store.run(name).finished
    if not results:
        raise InputError(
            Problem(
                f"run {name} has no results: there is nothing to export",
                found="it ended normally" if ended else "it did not finish",
                hint="run its suites again, or name another: `harness runs` lists them",
            )
        )
    report = reopen(settings, run) if isinstance(run, str) else run
    export = RunExport(
        document=publish(report.scorecard),
        results=report.results,
        paths=report.paths,
        remark=remark,
        tags={**settings.export.tags, **(tags or {})},
    )
    destination = Destination(
        directory=into or settings.path(settings.export.into / report.info.id / target),
        settings=settings.export,
        root=settings.root,
        shards=shards,
        force=force,
    )
    done = export_to(target, export, destination)
    if ended:
        return done
    told = f"run {name} did not finish: its {plural(results, 'result')} may not be all"
    return replace(done, warnings=(*done.warnings, told))


def export_after(
    settings: Settings, report: RunReport, tags: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Export a run that has ended to all that is configured; returns what to tell of it, in lines.

    It raises nothing: the run is over, and its verdict stands.
    """
    told: list[str] = []
    for target in settings.export.after:
        try:
            done = export_run(settings, report, target, tags=tags)
            told.append(f"exported to {target}: {done}")
            told += (f"  warning: {warning}" for warning in done.warnings)
        except HarnessError as error:
            told += _failed(settings, report, target, str(error))
        except Exception as error:  # another program's library: whatever it raises ends no run
            told += _failed(settings, report, target, f"{type(error).__name__}: {error}")
    return tuple(told)


def _failed(settings: Settings, report: RunReport, target: str, why: str) -> tuple[str, ...]:
    """Say that an export failed, and how to do it again."""
    words = ["harness", "export", report.info.id, "--to", target]
    usual = Settings.model_fields["store"].default
    if settings.store != usual:
        words += ["--store", str(settings.path(settings.store))]
    lines = why.splitlines() or [""]
    return (
        f"not exported to {target}: {visible(lines[0])}",
        *(f"  {visible(line.strip())}" for line in lines[1:MOST_LINES]),
        f"  the run and its verdict stand; again: {shlex.join(words)}",
    )
