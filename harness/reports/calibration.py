"""A calibration on a terminal: the table of labels, and each figure as a strip."""

from __future__ import annotations

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


def print_calibration(
    console: Console, calibration: Calibration, before: Calibration | None = None
) -> None:
    """Print who judged, the table of labels and all figures; `before` is what it replaces."""

    def line(text: str = "", style: str = "") -> None:
        console.print(Text(encodable(text, console.encoding), style=style))

    def strip(
        name: str, estimate: Estimate, said: str, low: float = 0.0, middle: float | None = None
    ) -> None:
        if estimate.value is None or estimate.ci is None:
            line(f"{name:<{NAMES}}cannot tell: {estimate.reason}", "yellow")
            return
        drawn = _strip(estimate, low, middle)
        line(f"{name:<{NAMES}}{drawn}  {said}")

    def share(name: str, estimate: Estimate, middle: float | None = None) -> None:
        said = f"{percent(estimate.value)} ({span(estimate.ci)}) of {estimate.n}"
        strip(name, estimate, said, middle=middle)

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
    weights = ", linear weights" if calibration.scale.weights else ""
    strip(f"kappa{weights}", calibration.scale.kappa, kappa(calibration.scale.kappa))
    share("same label", calibration.scale.accuracy)
    if calibration.decision:
        labels = calibration.decision.labels
        name = f"{labels[0]} or {labels[1]}" + (
            f", min {identity.minimum}" if identity.minimum else ""
        )
        strip(f"kappa, {name}", calibration.decision.kappa, kappa(calibration.decision.kappa))
        share(f"same, {name}", calibration.decision.accuracy)
    if calibration.raters > 1:
        for seen in filter(None, (calibration.scale, calibration.decision)):
            own = f"{seen.labels[0]} or {seen.labels[1]}"
            name = "with each other" if seen is calibration.scale else own
            strip(f"kappa of people, {name}", seen.people, kappa(seen.people))
        for each in calibration.by_rater:
            strip(f"kappa with {each.rater[:18]}", each.kappa, kappa(each.kappa))
    if calibration.position:
        first = calibration.position.first
        share("named the first answer", first, middle=0.5)
        share("orders disagree", calibration.position.flips)
    if identity.kind != "refuses":
        longer = calibration.length
        said = f"{points(longer.value)} points ({points_span(longer.ci)})"
        strip("favours longer than people do", longer, said, low=-1.0, middle=0.0)
    if again := calibration.consistency:
        share(f"same again, of {again.repeats} replies", again.same)
        if again.unstable:
            line(f"{'':<{NAMES}}not always the same: {first_of(again.unstable)}")
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


def _strip(estimate: Estimate, low: float, middle: float | None) -> str:
    """Draw an interval on a line from `low` to 1, with the value in it, and a mark at `middle`."""
    assert estimate.value is not None and estimate.ci is not None

    def place(value: float) -> int:
        share = (value - low) / (1 - low)
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
