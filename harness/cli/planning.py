"""`harness plan`: what a run will cost and what it will be able to see, before it begins."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from harness.cli.parser import (
    add_selection,
    add_settings,
    count,
    new_command,
    say,
    selection_of,
)
from harness.cli.running import read_settings, typed_path
from harness.common import InputError, Problem, duration, encodable, joined
from harness.common.console import Terminal

if TYPE_CHECKING:
    from harness.evaluation import Forecast, Rates, SuiteForecast
    from harness.suites import Suite

REPLICAS = 8  # up to which times are reckoned, where nobody says it
USED = ("model", "adapter", "variant", "baseline", "backend", "base_url", "responses", "store")


def add_commands(commands: Any) -> None:
    """Register the command."""
    plan = new_command(
        commands,
        "plan",
        "what a run will cost and see; generates nothing",
        "plan suites/ --candidates 20 --rate rates.json --replicas 8",
        "plan suites/ --adapter new=out/new --repeats 3 --json",
    )
    plan.add_argument("suites", nargs="*", metavar="SUITE", help="files or folders")
    plan.add_argument(
        "--candidates", type=count, metavar="N", help="so many that are not there yet"
    )
    plan.add_argument("--repeats", type=count, metavar="K", help="answers to each case")
    plan.add_argument("--rate", metavar="FILE", help="rates that `python -m bench.rates` wrote")
    plan.add_argument(
        "--replicas", type=count, dest="most_replicas", metavar="N", help=f"up to N ({REPLICAS})"
    )
    plan.add_argument("--json", action="store_true", help="print all of it as JSON")
    add_selection(plan)
    add_settings(plan, only=USED)
    plan.set_defaults(act=plan_command)


def plan_command(arguments: argparse.Namespace) -> int:
    """Print the plan; nothing is generated or stored."""
    from harness.backends import Models, check_replicas, models_of
    from harness.config import load_selected, replicas_of
    from harness.evaluation import backend_of, forecast, read_rates, variants_of
    from harness.store import Store

    settings = read_settings(arguments)
    for name in ("candidates", "repeats", "most_replicas"):
        if getattr(arguments, name) == 0:
            what = f"--{name.removeprefix('most_')} 0: there is nothing to plan"
            raise InputError(Problem(what, expected="1 or more"))
    if arguments.candidates and (settings.adapter or settings.variant):
        raise InputError(
            Problem(
                "--candidates counts adapters that are not there yet",
                found="--adapter or --variant beside it",
                hint="give one of both",
            )
        )
    rates = read_rates(typed_path(settings, arguments.rate)) if arguments.rate else None
    variants = variants_of(settings)
    suites: Sequence[Suite] = load_selected(arguments.suites, settings)
    if selection := selection_of(arguments):
        taken = selection.of_suites(suites)
        parts = [
            replace(suite, cases=tuple(c for c in suite.cases if (suite.name, c.id) in taken))
            for suite in suites
        ]
        suites = [suite for suite in parts if suite.cases]
    replicas = replicas_of(settings, arguments.most_replicas)
    if replicas is not None:  # what `run` would refuse is not planned
        check_replicas(settings.backend, models_of(settings.backend), replicas)
    backend = backend_of(settings, variants)
    path = settings.path(settings.store)
    store = Store(path) if path.exists() else None
    try:
        if replicas is not None:
            check_replicas(settings.backend, Models.EITHER, replicas, backend)
        found = forecast(
            settings,
            suites,
            variants,
            backend,
            store,
            candidates=arguments.candidates or 0,
            rates=rates,
            repeats=arguments.repeats,
            replicas=arguments.most_replicas or REPLICAS,
            prices={v.name: p for v in variants if (p := settings.prices_of(v.name))},
        )
    finally:
        backend.close()
        if store is not None:
            store.close()
    if arguments.json:
        say(json.dumps(asdict(found), indent=1))
    else:
        draw_forecast(found, rates)
    return 0


class Sheet:
    """Tables and lines on a terminal, in characters that it can show."""

    def __init__(self) -> None:
        self._console = Terminal()

    def _text(self, said: str) -> Text:
        return Text(encodable(said, self._console.encoding))

    def table(self, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table, and a blank line behind it."""
        table = Table(title=self._text(title), title_justify="left", box=None, pad_edge=False)
        for place, name in enumerate(head):
            table.add_column(self._text(name), justify="right" if place else "left")
        for row in rows:
            table.add_row(*map(self._text, row))
        self._console.print(table)
        self._console.print()

    def lines(self, *said: str) -> None:
        """Print lines; an empty one is blank."""
        for line in said:
            self._console.print(self._text(line))


def draw_forecast(found: Forecast, rates: Rates | None) -> None:
    """Print a forecast as tables; `rates` are those that its times were reckoned with."""
    sheet = Sheet()
    draw_requests(sheet, found)
    if rates is None:
        sheet.lines(f"Time and GPU hours: not known, {found.bills[0].reason}", "")
    else:
        start = f"start of {duration(rates.start_seconds)} included"
        sheet.table(
            f"On {rates.device} with {rates.engine} ({rates.model}), measured {rates.measured}; "
            + start,
            ("replicas", "time", "GPU hours"),
            (
                (str(b.replicas), duration(b.seconds or 0.0), f"{b.gpu_hours or 0.0:.2f}")
                for b in found.bills
            ),
        )
    draw_sight(sheet, found)
    sheet.lines(*(f"note: {note}" for note in found.notes))


def draw_requests(sheet: Sheet, found: Forecast) -> None:
    """Print what is asked, where the length of answers is from, and what it takes."""
    parts: Sequence[tuple[str, SuiteForecast | Forecast]]
    parts = [*((each.suite, each) for each in found.suites), ("in all", found)]
    sheet.table(
        f"Asked of {len(found.variants)} variants, beside what is in the store",
        ("suite", "in the store", "requests", "prompt tokens", "shared once", "answer tokens"),
        (
            (
                name,
                f"{part.stored:,}",
                f"{part.requests:,}",
                f"{part.prompt_tokens:,}",
                f"{part.prompt_tokens_once:,}",
                f"{part.answer_tokens:,}",
            )
            for name, part in parts
        ),
    )
    for source in dict.fromkeys(s.answer_source for s in found.suites):
        names = ", ".join(s.suite for s in found.suites if s.answer_source == source)
        sheet.lines(f"Answer tokens of {names}: from {source}")
    sheet.lines(f"The store grows by about {found.store_bytes / 1e6:,.1f} MB")
    for currency, cost in found.costs.items():
        left_out = f", without {joined(found.unpriced)}: no prices" if found.unpriced else ""
        sheet.lines(f"Tokens cost about {cost:,.2f} {currency}, judges' not in it{left_out}")
    sheet.lines("")


def draw_sight(sheet: Sheet, found: Forecast) -> None:
    """Print what the suites see, with what share of pairs that differ, and what repeats change."""
    sheet.table(
        "Smallest drop that is seen, in points, and cases that would see 5, 3 and 1 (after Holm)",
        ("suite", "cases", "alone", "after Holm", "5 points", "3 points", "1 point"),
        (
            (
                s.suite,
                str(s.sight.units),
                points(s.sight.mde),
                points(s.sight.mde_adjusted),
                *(f"{n.cases_adjusted:,}" for n in s.sight.needed),
            )
            for s in found.suites
        ),
    )
    for source in dict.fromkeys(s.discordance_source for s in found.suites):
        names = ", ".join(s.suite for s in found.suites if s.discordance_source == source)
        sheet.lines(f"Share of pairs that differ, {names}: {source}")
    sheet.lines("")
    measured = [
        s for s in found.suites if any((r.mde, r.pass_all) != (None, None) for r in s.repeated)
    ]
    if measured:
        sheet.table(
            "With more answers to each case: smallest drop alone, and the share that passes all",
            ("suite", "repeats", "answers", "points", "pass^k", "from"),
            (
                (
                    s.suite,
                    str(r.repeats),
                    f"{r.answers:,}",
                    points(r.mde),
                    "not known" if r.pass_all is None else f"{r.pass_all:.1%}",
                    r.pass_source,
                )
                for s in measured
                for r in s.repeated
            ),
        )
    elif found.suites:
        sheet.lines(f"Repeats and pass^k: {found.suites[0].repeated[0].reason}")


def points(drop: float | None) -> str:
    """Return a drop in points; "none" where none would be seen."""
    return "none" if drop is None else f"{drop * 100:.1f}"
