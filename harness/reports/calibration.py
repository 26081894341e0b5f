"""A calibration on a terminal: the table of labels, and each figure as a strip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.common import (
    encodable,
    first_of,
    joined,
    moment,
    percent,
    plural,
    points,
    points_span,
    shown,
    span,
)
from harness.gate.sentences import kappa
from harness.results import Agreement, Calibration, Estimate

STRIP = 36  # columns of a strip
NAMES = 34  # columns of what stands before it


@dataclass(frozen=True)
class _Figure:
    """One figure: its strip goes from `low` to 1, with a mark at `middle`."""

    name: str
    estimate: Estimate
    said: str
    low: float = 0.0
    middle: float | None = None


def print_calibration(
    console: Console, calibration: Calibration, before: Calibration | None = None
) -> None:
    """Print who judged, the table of labels and all figures; `before` is what it replaces."""

    def line(text: str = "", style: str = "") -> None:
        console.print(Text(encodable(text, console.encoding), style=style))

    identity = calibration.identity
    kinds = {"judge": "judge", "prefer": "judge of two answers", "refuses": "rule"}
    who = calibration.name or ("refuses" if identity.kind == "refuses" else "default")
    line(f"{kinds[identity.kind]} {who} against {plural(calibration.raters, 'rater')}", "bold")
    about = f"{plural(calibration.answers, 'answer')} to {plural(calibration.groups, 'case')}"
    line(f"{about}, labels of {calibration.source}, {moment(calibration.made)}")
    if identity.model:
        drawn = f"temperature {identity.sampling.get('temperature', '?')}"
        line(f"model {identity.model}, weights {identity.weights[:12]}, {drawn}")
    for rubric in list(identity.rubrics.values())[:3]:
        line(f"rubric {shown(rubric, 70)}")
    if len(identity.rubrics) > 3:
        line(f"and {plural(len(identity.rubrics) - 3, 'more rubric')}, taken together")
    if identity.kind == "prefer":
        line("A is the first answer of a label; of a run the candidate's, and B the baseline's")
    line()
    console.print(_table(calibration.scale, console))
    line()
    for figure in _figures(calibration):
        if figure.estimate.value is None or figure.estimate.ci is None:
            line(f"{figure.name:<{NAMES}}cannot tell: {figure.estimate.reason}", "yellow")
        else:
            line(f"{figure.name:<{NAMES}}{_strip(figure)}  {figure.said}")
    if calibration.consistency and calibration.consistency.unstable:
        unstable = first_of(calibration.consistency.unstable)
        line(f"{'':<{NAMES}}not always the same: {unstable}")
    line()
    apart = [row for row in calibration.rows if row.judge and row.judge not in row.people.values()]
    if apart:
        named = [
            f"{row.answer} (people {joined(list(dict.fromkeys(row.people.values())))}, judge "
            f"{row.judge})"
            for row in apart
        ]
        line(f"nobody agrees with it on {plural(len(apart), 'answer')}: {first_of(named, 4)}")
    held = calibration.weakest.kappa
    if held.low is None:
        line(f"min_agreement of any size is not reached: {held.reason}", "yellow")
    else:
        least = "the smaller lower bound of kappa" if calibration.decision else "its lower bound"
        line(f"min_agreement is held against {held.low:.2f}, {least}", "bold")
    if before is not None:
        bound = before.weakest.kappa.low
        was = "unknown" if bound is None else f"{bound:.2f}"
        line(f"it was {was} before, {moment(before.made)}")


def _figures(calibration: Calibration) -> Iterator[_Figure]:
    """Yield the figures: with people, of people among themselves, of the judge alone."""

    def kappas(name: str, estimate: Estimate) -> _Figure:
        return _Figure(name, estimate, kappa(estimate))

    def share(name: str, estimate: Estimate, middle: float | None = None) -> _Figure:
        said = f"{percent(estimate.value)} ({span(estimate.ci)}) of {estimate.n}"
        return _Figure(name, estimate, said, middle=middle)

    identity, scale, decision = calibration.identity, calibration.scale, calibration.decision
    yield kappas("kappa, linear weights" if scale.weights else "kappa", scale.kappa)
    yield share("same label", scale.accuracy)
    if decision:
        name = f"{decision.labels[0]} or {decision.labels[1]}"
        name += f", min {identity.minimum}" if identity.minimum else ""
        yield kappas(f"kappa, {name}", decision.kappa)
        yield share(f"same, {name}", decision.accuracy)
    if calibration.raters > 1:
        yield kappas("kappa of people, with each other", scale.people)
        if decision:
            name = f"{decision.labels[0]} or {decision.labels[1]}"
            yield kappas(f"kappa of people, {name}", decision.people)
        for each in calibration.by_rater:
            yield kappas(f"kappa with {each.rater[:18]}", each.kappa)
    if calibration.position:
        yield share("named the first answer", calibration.position.first, middle=0.5)
        yield share("orders disagree", calibration.position.flips)
    if identity.kind != "refuses":
        longer = calibration.length
        said = f"{points(longer.value)} points ({points_span(longer.ci)})"
        yield _Figure("favours longer than people do", longer, said, low=-1.0, middle=0.0)
    if again := calibration.consistency:
        yield share(f"same again, of {again.repeats} replies", again.same)


def _strip(figure: _Figure) -> str:
    """Draw an interval on a line from `low` to 1, with the value in it, and a mark at `middle`."""
    estimate, middle = figure.estimate, figure.middle
    assert estimate.value is not None and estimate.ci is not None

    def place(value: float) -> int:
        share = (value - figure.low) / (1 - figure.low)
        return max(0, min(STRIP - 1, round(share * (STRIP - 1))))

    cells = ["·"] * STRIP
    if middle is not None:
        cells[place(middle)] = "|"
    start, end = place(estimate.ci[0]), place(estimate.ci[1])
    cells[start : end + 1] = ["="] * (end + 1 - start)
    cells[place(estimate.value)] = "#"
    return "".join(cells)


def _table(agreement: Agreement, console: Console) -> Table:
    """Return people's labels in rows, the judge's in columns, and answers without a verdict."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(Text("people, judge:"))
    for label in agreement.labels:
        table.add_column(Text(label), justify="right")
    table.add_column(Text("no verdict"), justify="right")
    for row, (label, counts) in enumerate(zip(agreement.labels, agreement.table, strict=True)):
        cells = []
        for column, count in enumerate(counts):
            style = "green" if row == column else "red" if count else "dim"
            cells.append(Text(_count(count, console), style=style))
        unread = agreement.unread[row]
        cells.append(Text(_count(unread, console), style="yellow" if unread else "dim"))
        table.add_row(Text(label), *cells)
    return table


def _count(count: float, console: Console) -> str:
    if not count:
        return encodable("·", console.encoding)
    return f"{count:g}" if count == int(count) else f"{count:.1f}"
