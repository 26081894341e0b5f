"""One night, from the lock to the report. A night that was cut off goes on where it stopped."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.common import HarnessError, InputError, Problem, alone, digest
from harness.config import Settings, VariantSettings, load_selected
from harness.evaluation import (
    RunReport,
    Variants,
    check_preferences,
    export_after,
    noise_key,
    preference_key,
    reopen,
    run,
    variants_of,
)
from harness.gate import load_baseline
from harness.nightly.alerts import alerts_of, exit_code_of, post, write_alerts
from harness.nightly.config import NightlyConfig, NightlyVariant
from harness.nightly.rivals import (
    against_last_night,
    against_pinned,
    among_themselves,
    own_findings,
    rates_of,
)
from harness.nightly.trend import write_trend
from harness.nightly.values import Night, NightFinding, night_from_json, night_to_json
from harness.reports import check_writable
from harness.results import Observer, ignore
from harness.store import (
    Store,
    drop_runs,
    rates_key,
    read_entries,
    remark_key,
    strike_entries,
    write_entry,
)
from harness.suites import Suite


@dataclass(frozen=True)
class Group:
    """One run of a night: its settings and its suites. `name` says whose suites they are."""

    name: str
    settings: Settings
    suites: tuple[Suite, ...]

    @property
    def described(self) -> list[Any]:
        """Return what a resumed night must share; cases may have changed since."""
        chosen = self.settings.model_dump(mode="json", include={"model", "adapter", "baseline"})
        variants = {n: v.model_dump(mode="json") for n, v in self.settings.variants.items()}
        return [self.name, chosen, variants, [suite.path for suite in self.suites]]


def groups_of(settings: Settings, config: NightlyConfig) -> tuple[Group, ...]:
    """Return the runs of a night; raises InputError for suites that are wrong."""
    by_suites: dict[tuple[str, ...], dict[str, NightlyVariant]] = {config.suites: {}}
    for name, variant in config.variants.items():
        by_suites.setdefault(variant.suites or config.suites, {})[name] = variant
    if not by_suites[config.suites] and not config.adapters and len(by_suites) > 1:
        del by_suites[config.suites]  # every variant has suites of its own
    groups = []
    for suites, variants in by_suites.items():
        shared = suites == config.suites
        known = {name: _plain(variant) for name, variant in variants.items()}
        if config.baseline in config.variants:
            known.setdefault(str(config.baseline), _plain(config.variants[str(config.baseline)]))
        changes: dict[str, Any] = {
            "variants": {**settings.variants, **known} if shared else known,
            "adapter": (*settings.adapter, *config.adapters) if shared else (),
            "variant": settings.variant if shared else (),
            "model": config.model or settings.model,
            "baseline": config.baseline or settings.baseline,
        }
        named = [str(settings.path(suite)) for suite in suites]
        chosen = settings.model_copy(update=changes)
        name = " + ".join(suites) if suites else "configured suites"
        groups.append(Group(name, chosen, load_selected(named, chosen)))
    return tuple(groups)


def _plain(variant: NightlyVariant) -> VariantSettings:
    return VariantSettings.model_validate(variant.model_dump(exclude={"suites"}))


def keep_night(store: Store, night: Night) -> None:
    """Write a night; the same night is replaced."""
    write_entry(store, _key(night), night_to_json(night))


def past_nights(store: Store, series: str) -> tuple[Night, ...]:
    """Return the nights of a series, oldest first, the unfinished among them."""
    rows = read_entries(store, f"night/{series}/").values()
    return tuple(night_from_json(row) for row in rows if isinstance(row, dict))


def nights_of_runs(store: Store) -> dict[str, str]:
    """Return the night of each run that is of one: "nightly 20261121-020000", by the run's id."""
    entries: Mapping[str, Any] = read_entries(store, "night/")
    return {
        run: f"{row['series']} {row['id']}"
        for row in entries.values()
        for run in row["runs"].values()
    }


def forget_nights(store: Store, series: str, keep: int, reports: Path) -> int:
    """Remove all but the newest `keep` nights, with their runs and reports; returns how many."""
    nights = past_nights(store, series)
    old = nights[: max(0, len(nights) - keep)]
    wanted = {run for night in nights[len(old) :] for run in night.runs.values()}
    runs = [run for night in old for run in night.runs.values() if run not in wanted]
    if old:
        drop_runs(store, runs)
        kept = (rates_key, noise_key, preference_key, remark_key)
        gone = [*map(_key, old), *(key(run) for key in kept for run in runs)]
        strike_entries(store, gone)
    for run_id in runs:
        if (reports / run_id / "scorecard.json").is_file():
            shutil.rmtree(reports / run_id, ignore_errors=True)
    return len(old)


def _key(night: Night) -> str:
    return f"night/{night.series}/{night.id}"


RESUMED_FOR = timedelta(hours=20)  # a night that began longer ago is given up: tonight is another


@dataclass(frozen=True, slots=True)
class NightReport:
    """A finished night: what it found, what is told, where the pages are.

    `resumed`: it went on where an earlier call was cut off. `posted` says what became of the
    webhook, if there is one, `exported` what became of exports; `notes` say what was not compared
    and why.
    """

    night: Night
    alerts: tuple[NightFinding, ...]
    notes: tuple[str, ...]
    page: Path
    markdown: Path
    resumed: bool
    forgotten: int
    posted: str
    exit_code: int
    exported: tuple[str, ...] = ()


def run_night(
    settings: Settings,
    config: NightlyConfig,
    observer: Observer = ignore,
    now: datetime | None = None,
) -> NightReport:
    """Run all variants on their suites, compare, keep, report and tell.

    Raises InputError for wrong input, before anything is generated, and MachineryError while
    another night of the series runs. A group of variants that fails is told as an alert; the
    others go on.
    """
    reports = settings.path(settings.report_dir)
    check_writable(reports)
    check_lasting(config.baseline or settings.baseline)
    groups = groups_of(settings, config)
    variants = {group.name: variants_of(group.settings) for group in groups}
    for group in groups:
        those = variants[group.name]
        check_preferences(
            (case for suite in group.suites for case in suite.cases),
            gated=bool(those.candidates),
            baseline=those.baseline is not None,
            earlier=those.earlier,
        )
    if config.pinned is not None:
        load_baseline(settings.path(config.pinned))
    place = settings.path(settings.store)
    lock = place.parent / f"nightly-{config.name}.lock"  # of `.` there is no with_name
    with alone(lock, f"a night of '{config.name}' is running already"):  # it is about one engine
        begun, past, resumed = _begin(place, config.name, groups, now or datetime.now(UTC))
        night, reports_of = _answer(place, begun, groups, variants, observer)
        against = [against_last_night(settings, night, past)]
        if config.pinned is not None:
            against.append(against_pinned(settings, night, config.pinned))
        others = among_themselves(settings, night)
        notes = (*(note for found in against for note in found.notes), *others.notes)
        findings = (*night.findings, *(each for found in against for each in found.findings))
        night = replace(night, findings=findings, pairwise=others.rows, finished=True)
        with Store(place) as store:
            keep_night(store, night)
            forgotten = forget_nights(store, config.name, config.keep, reports)
            nights = tuple(each for each in past_nights(store, config.name) if each.finished)
        home = reports / "nightly" / config.name
        after = settings.export.after if config.export is None else config.export
        chosen = settings.export.model_copy(update={"after": after})
        exporting = settings.model_copy(update={"export": chosen})
        tags = {"harness.series": night.series, "harness.night": night.id}
        alerts = alerts_of(night, config.alerts)
        extra = settings.path(config.alerts.markdown) if config.alerts.markdown else None
        return NightReport(
            night=night,
            alerts=alerts,
            notes=notes,
            page=write_trend(home / "trend.html", nights, alerts, notes),
            markdown=write_alerts(home / "summary.md", extra, night, alerts, notes),
            resumed=resumed,
            forgotten=forgotten,
            posted=post(config.alerts.webhook, night, alerts, notes),
            exit_code=exit_code_of(night, alerts),
            exported=tuple(
                line for each in reports_of for line in export_after(exporting, each, tags)
            ),
        )


def check_lasting(baseline: str | None) -> None:
    """Raise InputError for `latest`, which would be another run for every group of a night."""
    if baseline is not None and baseline.partition(":")[0] == "latest":
        raise InputError(
            Problem(
                "the baseline of a night cannot be `latest`: that is another run each time",
                found=baseline,
                hint="name the run by its id, or save it as a file: harness baseline save",
            )
        )


def _begin(
    place: Path, series: str, groups: tuple[Group, ...], now: datetime
) -> tuple[Night, tuple[Night, ...], bool]:
    """Tonight, the finished nights before it, and whether tonight had begun already."""
    plan = digest([group.described for group in groups])
    with Store(place) as store:
        past = past_nights(store, series)
        finished = tuple(night for night in past if night.finished)
        if past and not past[-1].finished and past[-1].plan == plan:
            age = now - datetime.fromisoformat(past[-1].started)
            if age < RESUMED_FOR:
                return past[-1], finished, True
        taken, name = {night.id for night in past}, f"{now:%Y%m%d-%H%M%S}"
        free = next(n for n in (name, *(f"{name}-{i}" for i in range(2, 1000))) if n not in taken)
        night = Night(free, series, now.isoformat(timespec="seconds"), plan)
        keep_night(store, night)
    return night, finished, False


def _answer(
    place: Path,
    night: Night,
    groups: tuple[Group, ...],
    variants: Mapping[str, Variants],
    observer: Observer,
) -> tuple[Night, tuple[RunReport, ...]]:
    """Run all groups, one after the other; what is finished is noted before the next begins.

    Returns the night, and the reports of its runs. A group that was finished before the night was
    cut off is opened again, unless the store was pruned in between: its answers may still be there.
    After an upgrade, tomorrow's night needs today's answers, so a group runs even where nothing of
    it can be compared with its baseline.
    """
    failures: list[str] = []
    reports: list[RunReport] = []
    for group in groups:
        report = None
        try:
            if group.name in night.runs:
                with suppress(InputError):
                    report = reopen(group.settings, night.runs[group.name])
            if report is None:
                report = run(
                    group.settings,
                    group.suites,
                    variants[group.name],
                    observer=observer,
                    allow_unlike=True,
                )
        except HarnessError as error:
            failures.append(f"{group.name}: {error}")
            continue
        if report.failure:
            failures.append(f"{group.name}: {report.failure}")
        else:
            night = night.with_run(group.name, report.info.id)
            with Store(place) as store:
                keep_night(store, night)
        reports.append(report)
    rates = {(rate.suite, rate.variant): rate for r in reports for rate in rates_of(r)}
    done = replace(
        night,
        rates=tuple(rates.values()),
        findings=tuple(finding for r in reports for finding in own_findings(r)),
        failures=tuple(failures),
    )
    return done, tuple(reports)
