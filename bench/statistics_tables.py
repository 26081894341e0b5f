"""Simulate the gate and write the tables of docs/statistics.md.

    python -m bench.statistics_tables docs/statistics.md

The prose is written by hand; each table stands between two marks of its name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import gate_simulation as sim

RUNS = 20_000  # standard error of a share of 0.05: 0.0015
ITEM_RUNS = 2_000
SCORE_RUNS = 1_000
EARLY_RUNS = 1_000
GROWTH_RUNS = 10_000
KINDS: tuple[tuple[sim.Kind, str], ...] = (
    ("single", "single cases, 5 % flips"),
    ("repeated", "three repeats, every tenth case a coin"),
    ("clusters", "clusters of five cases"),
    ("scores", "scores, noise of 0.1"),
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def share(value: float) -> str:
    """Return three digits: the simulation knows no more."""
    return f"{value:.3f}"


def flips_head(first: str) -> list[str]:
    """Return a head with one column per flip rate."""
    return [first, *(f"{100 * flip:.0f} % flips" for flip in sim.FLIPS)]


def alarms() -> str:
    """Tabulate how often any of six suites of equal models is called regressed."""
    return table(
        flips_head("cases per suite"),
        ([str(n), *(share(sim.false_alarms(n, f, RUNS)) for f in sim.FLIPS)] for n in sim.SIZES),
    )


def power() -> str:
    """Tabulate how often a loss of five points in one of six suites is found."""
    rows = []
    for n in sim.SIZES:
        found = [sim.power(n, flip, RUNS) for flip in sim.FLIPS]
        rows.append([str(n), *(f"{x.before_holm:.3f} / {x.after_holm:.3f}" for x in found)])
    return table(flips_head("cases per suite"), rows)


def sizes() -> str:
    """Tabulate the cases that a power of 0.80 needs."""
    rows = []
    for flip in sim.FLIPS:
        before = sim.size_for_power(flip, 0.8, RUNS, lambda found: found.before_holm)
        after = sim.size_for_power(flip, 0.8, RUNS // 4, lambda found: found.after_holm)
        rows.append([f"{100 * flip:.0f} %", str(before), str(after)])
    return table(["flips", "cases, one suite", "cases, after Holm over six suites"], rows)


def others() -> str:
    """Tabulate what simple rules do, on one suite of 300 cases."""
    lists = [sim.other_gates(300, f, loss, RUNS) for f in (0.02, 0.10) for loss in (0.0, sim.LOSS)]
    head = ["rule", "equal, 2 % flips", "−5 points, 2 %", "equal, 10 % flips", "−5 points, 10 %"]
    return table(head, ([rule, *(share(found[rule]) for found in lists)] for rule in lists[0]))


def drops() -> str:
    """Tabulate the smallest drop that is reported, and the power that it has."""
    rows = []
    for n in sim.SIZES:
        found = [sim.power_at_smallest_drop(n, flip, RUNS) for flip in sim.FLIPS]
        rows.append([str(n), *(f"{100 * drop:.1f} points: {true:.3f}" for drop, true in found)])
    return table(flips_head("cases"), rows)


def items() -> str:
    """Tabulate other kinds of items."""
    head = [
        "300 items",
        "equal models called worse",
        "−5 points found",
        "95 % interval holds",
        "one-sided bound holds",
    ]
    rows = []
    for kind, words in KINDS:
        found = sim.behaviour(kind, 300, SCORE_RUNS if kind == "scores" else ITEM_RUNS)
        values = (found.false_alarm, found.power, found.covers, found.bound_holds)
        rows.append([words, *map(share, values)])
    return table(head, rows)


def non_inferiority() -> str:
    """Tabulate passes where the models are equal, and where the true loss is the margin itself."""
    rows = []
    for n in (100, 300, 1000):
        for margin in (0.03, 0.05):
            pairs = [
                tuple(sim.non_inferiority(n, f, margin, loss, RUNS) for loss in (0.0, margin))
                for f in sim.FLIPS
            ]
            name = f"{n}, {100 * margin:.0f} points"
            rows.append([name, *(f"{good:.3f} / {bad:.3f}" for good, bad in pairs)])
    return table(flips_head("cases, max_drop"), rows)


def early() -> str:
    """Tabulate a run that may stop early."""
    head = ["six suites", "equal: any stopped", "−5 points found", "after Holm", "cases spared"]
    rows = []
    for n in (300, 1000):
        for flip in sim.FLIPS:
            found = sim.early_stop(n, flip, EARLY_RUNS)
            shares = (found.false_alarm, found.before_holm, found.after_holm, found.spared)
            rows.append([f"{n} cases, {100 * flip:.0f} % flips", *map(share, shares)])
    return table(head, rows)


def growth() -> str:
    """Tabulate the interval of a growth in length, and its bars."""
    head = [
        "cases",
        "95 % interval holds",
        "bar of 20 % failed",
        "bar of 10 % failed",
        "no figure",
    ]
    rows = []
    for clusters, size in ((10, 1), (40, 1), (40, 5), (100, 1), (300, 1)):
        found = sim.length_growth(clusters, size, GROWTH_RUNS)
        name = str(clusters) if size == 1 else f"{clusters * size} in clusters of {size}"
        values = (found.covers, found.at_truth, found.at_half, found.unknown)
        rows.append([name, *map(share, values)])
    return table(head, rows)


TABLES = {
    "alarms": alarms,
    "power": power,
    "sizes": sizes,
    "others": others,
    "drops": drops,
    "items": items,
    "non_inferiority": non_inferiority,
    "early": early,
    "growth": growth,
}


def filled(page: str) -> str:
    """Return the page with every table made again; raises KeyError for a mark that has no table."""
    mark = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
    return mark.sub(lambda m: f"<!-- table: {m[1]} -->\n{TABLES[m[1]]()}\n<!-- end -->", page)


def main(argv: Sequence[str]) -> None:
    """Rewrite the tables of one page."""
    path = Path(argv[0])
    path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
