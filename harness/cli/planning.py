"""`harness plan`: what a run will cost and what it will be able to see, before it begins."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
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
        "--replicas", type=count, default=8, dest="most_replicas", metavar="N", help="up to N (8)"
    )
    plan.add_argument("--json", action="store_true", help="print all of it as JSON")
    add_selection(plan)
    add_settings(plan, only=USED)
    plan.set_defaults(act=plan_command)


def plan_command(arguments: argparse.Namespace) -> int:
    """Print the plan; nothing is generated or stored."""
    from harness.config import load_selected
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
    backend = backend_of(settings, variants)
    path = settings.path(settings.store)
    store = Store(path) if path.exists() else None
    try:
        found = forecast(
            settings,
            suites,
            variants,
            backend,
            store,
            candidates=arguments.candidates or 0,
            rates=rates,
            repeats=arguments.repeats,
            replicas=arguments.most_replicas,
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


def draw_forecast(found: Forecast, rates: Rates | None) -> None:
    """Print a forecast as tables; `rates` are those that its times were reckoned with."""
    console = Terminal()

    def text(said: str) -> Text:
        return Text(encodable(said, console.encoding))

    def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = Table(title=text(title), title_justify="left", box=None, pad_edge=False)
        for place, name in enumerate(head):
            table.add_column(text(name), justify="right" if place else "left")
        for row in rows:
            table.add_row(*map(text, row))
        console.print(table)
        console.print()

    def points(drop: float | None) -> str:
        return "none" if drop is None else f"{drop * 100:.1f}"

    parts: Sequence[tuple[str, SuiteForecast | Forecast]]
    parts = [*((each.suite, each) for each in found.suites), ("in all", found)]
    show(
        f"Asked of {len(found.variants)} variants, beside what is in the store",
        ("suite", "in the store", "requests", "prompt tokens", "shared once", "answer tokens"),
        [
            (
                name,
                f"{part.stored:,}",
                f"{part.requests:,}",
                f"{part.prompt_tokens:,}",
                f"{part.prompt_tokens_once:,}",
                f"{part.answer_tokens:,}",
            )
            for name, part in parts
        ],
    )
    for source in dict.fromkeys(s.answer_source for s in found.suites):
        names = ", ".join(s.suite for s in found.suites if s.answer_source == source)
        console.print(text(f"Answer tokens of {names}: from {source}"))
    console.print(text(f"The store grows by about {found.store_bytes / 1e6:,.1f} MB"))
    for currency, cost in found.costs.items():
        left_out = f", without {joined(found.unpriced)}: no prices" if found.unpriced else ""
        console.print(
            text(f"Tokens cost about {cost:,.2f} {currency}, judges' not in it{left_out}")
        )
    console.print()
    if rates is None:
        console.print(text(f"Time and GPU hours: not known, {found.bills[0].reason}"))
        console.print()
    else:
        show(
            f"On {rates.device} with {rates.engine} ({rates.model}), measured {rates.measured}",
            ("replicas", "time", "GPU hours"),
            [
                (str(b.replicas), duration(b.seconds or 0.0), f"{b.gpu_hours or 0.0:.2f}")
                for b in found.bills
            ],
        )
    show(
        "Smallest drop that is seen, in points, and cases that would see 5, 3 and 1 (after Holm)",
        ("suite", "cases", "alone", "after Holm", "5 points", "3 points", "1 point"),
        [
            (
                s.suite,
                str(s.sight.units),
                points(s.sight.mde),
                points(s.sight.mde_adjusted),
                *(f"{n.cases_adjusted:,}" for n in s.sight.needed),
            )
            for s in found.suites
        ],
    )
    for source in dict.fromkeys(s.discordance_source for s in found.suites):
        names = ", ".join(s.suite for s in found.suites if s.discordance_source == source)
        console.print(text(f"Share of pairs that differ, {names}: {source}"))
    console.print()
    measured = [
        s for s in found.suites if any((r.mde, r.pass_all) != (None, None) for r in s.repeated)
    ]
    if measured:
        show(
            "With more answers to each case: smallest drop alone, and the share that passes all",
            ("suite", "repeats", "answers", "points", "pass^k", "from"),
            [
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
            ],
        )
    elif found.suites:
        console.print(text(f"Repeats and pass^k: {found.suites[0].repeated[0].reason}"))
    for note in found.notes:
        console.print(text(f"note: {note}"))
