"""A repair in words: on the terminal and in Markdown, from the same lines."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.common import (
    duration,
    encodable,
    joined,
    make_folder,
    percent,
    plural,
    points,
    whole_file,
)
from harness.config import Settings
from harness.reports import asset, content_policy, escaped, page_style, rate_strip, template
from harness.training.repair import report as report_text
from harness.training.repair.loop import DryRun, report_to_json
from harness.training.repair.promotion import shown
from harness.training.repair.selection import selection_lines
from harness.training.repair.values import (
    FixPaths,
    FixReport,
    RepairDecision,
    RoundReport,
    SuiteReport,
)
from harness.training.sft import History, draw

FIRST_ROWS = 3  # of a dry run
HEADS = ("suite", "cases", "against", "before", "after", "lower bound", "verdict")


def headline(report: FixReport) -> str:
    """Return the decision in one sentence."""
    repaired = joined(report.repaired)
    if report.decision is RepairDecision.PROMOTED:
        kept = f"no other suite lost {points_of(report.max_drop)}"
        rest = kept if others_of(report) else "no other suite was looked at"
        return f"Promoted: {repaired} repaired, {rest}."
    broken = [row.suite for row in report.suites if row.verdict != "pass"]
    return f"Rejected: {joined(list(dict.fromkeys(broken))) or 'not judged'}."


def others_of(report: FixReport) -> tuple[str, ...]:
    """Return the suites that had to lose nothing."""
    return tuple(dict.fromkeys(row.suite for row in report.suites if not row.repaired))


def points_of(share: float) -> str:
    """Return a margin in words: "10 points"."""
    return f"{share * 100:g} points"


def cells(row: SuiteReport) -> tuple[str, ...]:
    """Return one row of the table of suites."""
    side = f"{row.n} held out" if row.repaired else str(row.n)
    bound = points(row.bound) if row.bound is not None else "–"
    verdict = row.verdict.replace("_", " ")
    return (
        row.suite, side, row.rival, percent(row.before), percent(row.after), bound, verdict,
    )  # fmt: skip


def round_lines(made: RoundReport) -> Iterator[str]:
    """Yield what one round tried."""
    for source in made.sources:
        left = "; ".join(f"{count} {reason}" for reason, count in source.left_out.items())
        kind = "replay, " if source.replay else ""
        yield f"{kind}{source.source}: {source.kept} of {source.offered}" + (
            f" ({left})" if left else ""
        )
    yield f"cleaning: {counts_of(made.cleaning.get('by_reason', {}))} dropped"
    yield from guard_lines(made.guard)
    if made.method == "dpo":
        yield f"trained on {plural(made.teaching, 'pair')}, {loss_of(made)}"
    elif made.method == "grpo":
        yield f"trained on {plural(made.teaching, 'answer')} with rewards, {loss_of(made)}"
    else:
        yield f"trained on {made.teaching} rows and {made.replay} of replay, {loss_of(made)}"
    yield from lesson_lines(made)
    for dev in made.dev:
        reached = "reached" if dev.reached else "not reached"
        yield f"dev side of {dev.suite}: {dev.before} → {dev.after} of {dev.n}, bars {reached}"


def lesson_lines(made: RoundReport) -> Iterator[str]:
    """Yield what is told of pairs and of rewards, and where the round began."""
    if made.method == "dpo":
        yield pairs_of(made)
    for update, look in enumerate(made.lessons.get("rewards", ())):
        others = "" if look["others"] is None else f", other suites {percent(look['others'])}"
        yield (
            f"after {plural(update, 'update')}: reward {look['reward']:.2f}; on fresh prompts "
            f"{look['fresh_reward']:.2f}, passed {percent(look['fresh_passed'])}{others}"
        )
    if made.selection:
        yield from selection_lines(made.selection)
    if made.start:
        yield f"went on from {made.start}"
    if made.stopped:
        yield f"stopped: {made.stopped}"


def pairs_of(made: RoundReport) -> str:
    """Return lengths and margins of pairs."""
    told = made.lessons
    lengths = f"chosen {told['chosen_tokens']:g} tokens, rejected {told['rejected_tokens']:g}"
    side = "held_out_" if "held_out_margin" in told else ""
    if f"{side}margin" not in told:
        return f"pairs: {lengths}"
    where = "held-out pairs" if side else "pairs"
    accuracy, margin = told[f"{side}accuracy"], told[f"{side}margin"]
    return f"pairs: {lengths}; {percent(accuracy)} of {where} told apart, margin {margin:.3g}"


def guard_lines(guard: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the contamination guard removed."""
    hits, seen = guard.get("hits", []), guard.get("cases", 0)
    yield f"guard: {plural(len(hits), 'row')} removed, held against {plural(seen, 'case')}"
    for hit in hits:
        yield f"  {hit['source']}: {hit['kind']} of case {hit['case']} ({hit['suite']})"
    reworded = guard.get("rewordings", [])
    if reworded:
        yield f"second guard: {plural(len(reworded), 'row')} removed"
    for hit in reworded:
        yield f"  {hit['source']}: may be case {hit['case']} ({hit['suite']}) in other words"


def loss_of(made: RoundReport) -> str:
    """Return steps and losses of a training."""
    steps = plural(made.training.steps, "step")
    if not made.training.held_out:
        return steps
    return f"{steps}, held-out loss {made.training.held_out[-1][1]:.3g}"


def counts_of(counts: Mapping[str, int]) -> str:
    """Return reasons with their counts; "nothing" without any."""
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in counts.items()) or (
        "nothing"
    )


def cost_lines(report: FixReport) -> Iterator[str]:
    """Yield what it took."""
    spent = ", ".join(f"{name} {duration(s)}" for name, s in report.cost.seconds.items())
    yield f"{duration(report.cost.total)}: {spent}"
    answers = plural(report.cost.generated, "answer")
    tokens = f"{report.cost.answer_tokens:,} tokens"
    yield f"{answers} generated ({tokens}), {report.cost.trained_tokens:,} tokens trained on"


def to_markdown(report: FixReport) -> str:
    """Return the report for a pull request."""
    lines = [f"## {escaped(headline(report))}", ""]
    lines += [f"- {escaped(reason)}" for reason in report.reasons]
    lines += ["", "| " + " | ".join(HEADS) + " |", "|---|--:|---|--:|--:|--:|---|"]
    lines += ["| " + " | ".join(map(escaped, cells(row))) + " |" for row in report.suites]
    for made in report.rounds:
        lines += ["", f"### Round {made.number}", ""]
        lines += [f"- {escaped(line)}" for line in round_lines(made)]
    lines += ["", *(f"- note: {escaped(note)}" for note in report.notes)]
    lines += [f"- cost: {escaped(line)}" for line in cost_lines(report)]
    lines.append(
        f"- run {escaped(report.failing_run)} failed, {escaped(report.judging_run)} decided"
    )
    return "\n".join(lines) + "\n"


def print_report(console: Console, report: FixReport, paths: FixPaths) -> None:
    """The decision, the suites, the rounds, the cost, and where the report is."""
    said = _Printer(console)
    said.table(report)
    for made in report.rounds:
        said.line(f"round {made.number}", "bold")
        for line in round_lines(made):
            said.line(f"  {line}")
    for note in report.notes:
        said.line(f"note: {note}")
    promoted = report.decision is RepairDecision.PROMOTED
    said.line(("✓ " if promoted else "✗ ") + headline(report), "green" if promoted else "red")
    for reason in report.reasons:
        said.line(f"  {reason}")
    if promoted:
        said.line(f"  {report.link} → {report.adapter} (before: {shown(report.was)})")
        said.line("  take it back: harness rollback")
    for line in cost_lines(report):
        said.line(line)
    if report.again:
        said.line("this repair ended before; nothing was done again")
    said.line(f"report  {paths.html}")


def print_plan(console: Console, dry: DryRun) -> None:
    """What a repair would do."""
    said, plan = _Printer(console), dry.plan
    said.line(
        f"run {plan.run.id}, variant {plan.before.name}, "
        f"at most {plural(len(plan.schedule), 'round')}"
        + ("" if plan.method == "sft" else f", method {plan.method}")
    )
    for target in plan.targets:
        sides = f"{len(target.split.dev)} cases to look at, {len(target.split.holdout)} held out"
        said.line(f"repair {target.suite.name}: {sides}")
    others = ", ".join(suite.name for suite in plan.others) or "none"
    said.line(f"must not lose {points_of(plan.fix.max_drop)}: {others}")
    said.line(f"in use: {shown(plan.was)}")
    for note in dry.notes:
        said.line(f"note: {note}")
    for source in dry.sources:
        left = "; ".join(f"{count} {reason}" for reason, count in source.left_out.items())
        said.line(f"  {source.source}: {source.kept} of {source.offered} ({left or 'all kept'})")
    said.line(f"  cleaning: {counts_of(dry.cleaning.get('by_reason', {}))} dropped")
    for line in guard_lines(dry.guard):
        said.line(f"  {line}")
    if dry.pairs:
        said.line(f"first pairs of {len(dry.pairs)}:", "bold")
    for pair in dry.pairs[:FIRST_ROWS]:
        said.line(f"  {pair.source}")
        for message in pair.prompt:
            said.line(f"    {message.role}: {message.content}")
        said.line(f"    chosen: {pair.chosen}")
        said.line(f"    rejected: {pair.rejected}")
    if plan.schedule[0] != "sft":
        return
    said.line(f"first rows of {len(dry.rows)}:", "bold")
    for row in [row for row in dry.rows if not row.replay][:FIRST_ROWS]:
        said.line(f"  {row.source}")
        for message in row.messages:
            said.line(f"    {message.role}: {message.content}")


class _Printer:
    """Prints without markup, in the characters that the console's encoding has."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def line(self, text: str, style: str = "") -> None:
        self.console.print(Text(encodable(text, self.console.encoding), style=style))

    def table(self, report: FixReport) -> None:
        table = Table(box=None, pad_edge=False)
        for head in HEADS:
            table.add_column(head, overflow="fold")
        for row in report.suites:
            texts = [encodable(text, self.console.encoding) for text in cells(row)]
            style = "" if row.verdict == "pass" else "red"
            table.add_row(*(Text(text, style=style) for text in texts))
        self.console.print(table)


PACKAGE = "harness.training.repair"


def write_report(settings: Settings, report: FixReport) -> FixPaths:
    """Write the report below the report directory; the same loop replaces its own."""
    home = settings.path(settings.report_dir) / f"fix-{report.loop}"
    make_folder(home)
    paths = FixPaths(home / "fix.html", home / "fix.json", home / "fix.md")
    with whole_file(paths.json) as file:
        json.dump(report_to_json(report), file, ensure_ascii=False, indent=1)
    with whole_file(paths.markdown) as file:
        file.write(report_text.to_markdown(report))
    with whole_file(paths.html) as file:
        file.write(to_html(report))
    return paths


def to_html(report: FixReport) -> str:
    """Return the page; nothing in it is fetched, and texts of models and rows are escaped."""
    style = page_style() + asset(PACKAGE, "fix.css")
    return template(PACKAGE, "fix.html.jinja").render(
        report=report,
        others=report_text.others_of(report),
        headline=report_text.headline(report),
        cost=list(report_text.cost_lines(report)),
        was=shown(report.was),
        style=Markup(style),
        policy=content_policy(style, pictures=True),
        curve=_curve,
        strip=rate_strip,
        counts=report_text.counts_of,
        lessons=report_text.lesson_lines,
    )


def _curve(made: RoundReport) -> str:
    """Return the losses as a picture; it brings its own style, so it is an image."""
    svg = draw(History(made.training.losses, made.training.held_out))
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
