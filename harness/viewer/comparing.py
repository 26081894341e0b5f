"""Two variants of any runs, paired: as `harness compare`, without a report that is left behind."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from harness.common import InputError, Problem, VariantRole, joined
from harness.config import Settings
from harness.evaluation import find_stored, judge_stored
from harness.reports import build_scorecard, headline_of, suites_markup
from harness.results import RunInfo
from harness.store import Store, existing_store, find_run, run_ids
from harness.viewer.pages import PACKAGE, page

OFFERED = 40  # newest runs to choose from
KEPT = 16


@dataclass(frozen=True, slots=True)
class Changed:
    """One case that got worse or better."""

    suite: str
    case: str
    kind: str


@dataclass(frozen=True, slots=True)
class Found:
    """A comparison as the page shows it; `left` and `right` are its sides, as `RUN:VARIANT`."""

    headline: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    suites: Markup
    changed: tuple[Changed, ...]
    left: str
    right: str


class Comparisons:
    """The page on which two sides are chosen and compared.

    A comparison reads all results of both runs. Where both have finished it stays as it is, so the
    last few are kept.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, bool], Found] = {}

    def page(self, settings: Settings, request: Request) -> Response:
        """Choose two sides, and show what the gate finds between them."""
        query = request.query_params
        chosen, insist = query.getlist("run"), query.get("insist") == "1"
        texts = [query.get(name, "").strip() for name in ("left", "right")]
        found = None
        with existing_store(settings.path(settings.store), read_only=True) as store:
            ids = run_ids(store)
            if chosen:
                texts = _sides([_run(store, ids, text) for text in chosen], ids)
            choices = [
                f"{run}:{variant.name}"
                for run in ids[:OFFERED]
                for variant in store.run(run).answered
            ]
            # Runs of the store alone: this page reads no other file.
            runs = [_run(store, ids, text.partition(":")[0]) for text in texts if text]
        if len(runs) == 2:
            key = (_whole(runs[0], texts[0]), _whole(runs[1], texts[1]), insist)
            found = self._kept.get(key) or _compared(settings, *key)
            if all(run.finished for run in runs):
                self._kept[key] = found
                for old in list(self._kept)[:-KEPT]:
                    self._kept.pop(old, None)
        return page(
            request,
            found.headline if found else "Compare",
            PACKAGE,
            "compare.html.jinja",
            found=found,
            left=texts[0],
            right=texts[1],
            choices=choices,
            insist=insist,
        )


def _run(store: Store, ids: list[str], text: str) -> RunInfo:
    return store.run(text) if text in ids else find_run(store, text)


def _whole(run: RunInfo, text: str) -> str:
    """Return a side with the whole id of its run: `latest` would be another one tomorrow."""
    _, colon, variant = text.partition(":")
    return f"{run.id}{colon}{variant}"


def _sides(runs: list[RunInfo], ids: list[str]) -> list[str]:
    """Return two sides that a reader is likely to want: a candidate that both have, or any two."""
    if len(runs) != 2 or runs[0] == runs[1]:
        raise InputError(
            Problem(
                "a comparison here is of two runs",
                found=f"{len({run.id for run in runs})} chosen",
                hint="choose two in the list; `harness compare` takes more",
            )
        )
    older, newer = sorted(runs, key=lambda run: -ids.index(run.id))
    before = [variant.name for variant in older.answered]
    candidates = [v.name for v in newer.answered if v.role is VariantRole.CANDIDATE]
    names = [*candidates, *(variant.name for variant in newer.answered)]
    if not names or not before:
        raise InputError(Problem("a run without variants cannot be compared", newer.id))
    name = next((name for name in names if name in before), names[0])
    return [f"{older.id}:{name if name in before else before[0]}", f"{newer.id}:{name}"]


def _compared(settings: Settings, left: str, right: str, insist: bool) -> Found:
    sides = find_stored(settings, [left, right], read_only=True)
    gate, info = judge_stored(sides, insist=insist)
    card = build_scorecard(info, gate, kind="comparison")
    changed = [
        Changed(row.suite, case, kind)
        for row in gate.suites
        if row.comparison
        for kind, cases in (("worse", row.comparison.worse), ("better", row.comparison.better))
        for case in cases
    ]
    unlike = dict.fromkeys(
        f"{row.suite}: not compared, {what} differs" for row in gate.suites for what in row.unlike
    )
    apart = list(dict.fromkeys(row.suite for row in gate.suites if row.unlike))
    return Found(
        f"No decision: {joined(apart)} cannot be compared" if apart else headline_of(card),
        info.notes,
        (*gate.warnings, *unlike),
        suites_markup(card),
        tuple(changed),
        *(f"{side.info.id}:{side.variant.name}" for side in sides),
    )
