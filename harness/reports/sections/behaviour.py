"""How long answers are, how fast, and what they cost, beside the baseline's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from harness.common import duration, first_of, joined, percent, relative, relative_span
from harness.reports.drawing import DeltaScale, delta_strip
from harness.reports.sections.base import Cell, GateSection, legend, table
from harness.results import Behaviour, Measure, RunInfo, SuiteResult

HEADS = {
    Measure.TOKENS: "Tokens",
    Measure.CHARACTERS: "Characters",
    Measure.REASONING: "Reasoning",
    Measure.SECONDS: "Seconds",
    Measure.FIRST_TOKEN: "First token, s",
    Measure.TOKENS_PER_SECOND: "Tokens/s",
    Measure.COST: "Cost of 1,000",
}
_NAMED = 3  # rows that a remark names


class BehaviourSection(GateSection[SuiteResult]):
    """A row for each suite and variant; a column for each measure that somebody knows."""

    name = "behaviour"
    title = "Length and speed"

    @classmethod
    def markup(cls, rows: Sequence[SuiteResult], run: RunInfo) -> Markup:
        """Return an introduction, a table, and what nobody can tell, with the reasons."""
        known = [each for row in rows for each in row.behaviour if each.mean is not None]
        measures = [m for m in HEADS if any(each.measure is m for each in known)]
        # Beside tokens, characters say much the same once more.
        length = Measure.TOKENS if Measure.TOKENS in measures else Measure.CHARACTERS
        drawn = (length, Measure.SECONDS)
        scale = DeltaScale.holding(
            end
            for row in rows
            for each in row.behaviour
            if each.measure in drawn and each.growth and each.growth.ci
            for end in (*each.growth.ci, each.growth.bar or 0.0)
        )
        cells: list[Sequence[Cell]] = []
        for row in rows:
            found = [row.measured(measure) for measure in measures]
            figures = [_cell(each, scale, drawn) if each else "–" for each in found]
            cells.append((row.suite, row.variant, *figures))
        currency = next((each.unit for each in known if each.measure is Measure.COST), "")
        heads = [HEADS[m] + (f", {currency}" if m is Measure.COST else "") for m in measures]
        remarks = Markup("").join(legend(text) for text in _not_known(rows))
        grid = table("Length and speed of answers", ("Suite", "Variant", *heads), cells)
        timed = any(measure in measures for measure in _TIMES)
        intro = "Means over cases."
        if any(each.growth and each.growth.growth is not None for each in known):
            intro = (
                f"Means over cases, and the change from {run.baseline} in the same cases with its "
                f"95 % interval. Strips reach {percent(scale.reach, 0)} to either side; a tick is "
                "what the suite allows."
            )
        return legend(intro) + grid + remarks + _method(run, timed=timed)


_TIMES = (Measure.SECONDS, Measure.FIRST_TOKEN, Measure.TOKENS_PER_SECOND)


def _method(run: RunInfo, *, timed: bool) -> Markup:
    """Say, folded away, how the figures are measured and what they do not say."""
    said = [
        "Of a conversation, all answers count together. Tokens are all that were generated, "
        "reasoning included; characters are those of the answers without it."
    ]
    if timed:
        said.append(
            "Seconds are those in which an answer was worked on, others beside it, without the "
            "wait for its turn; of a server, from the request to the reply. They are compared "
            "between answers of one engine, driven alike, on one machine. What else that machine "
            "did meanwhile is in them and not in the intervals."
        )
    if run.tokens and run.seconds:
        rate = f"{run.tokens / run.seconds:,.0f} tokens/s with loading and scoring"
        whole = f"The whole run generated {run.tokens:,} tokens in {duration(run.seconds)}: {rate}."
        said.append(whole)
    return Markup(
        '<details class="why"><summary>How these are measured</summary>{}</details>'
    ).format(Markup("").join(Markup("<p>{}</p>").format(text) for text in said))


def _cell(row: Behaviour, scale: DeltaScale, drawn: Sequence[Measure]) -> Cell:
    """Return the mean, and below it the growth, drawn and in words."""
    mean = Markup("<strong>{}</strong>").format(row.amount(row.mean).partition(" ")[0])
    seen = row.growth
    if seen is None or seen.growth is None:
        return mean
    strip = Markup("")
    if row.measure in drawn:
        strip = delta_strip(seen.growth, seen.ci, scale, margin=-(seen.bar or 0.0))
    tone = Markup(' class="over-bar"') if seen.exceeds else Markup("")
    more = Markup('<span><span{}>{}</span> <span class="quiet">{}</span></span>').format(
        tone, relative(seen.growth), relative_span(seen.ci)
    )
    return Markup('<span class="grown">{}{}{}</span>').format(mean, strip, more)


def _not_known(rows: Sequence[SuiteResult]) -> Iterator[str]:
    """Say what has no figure, or no change, and why: one sentence for each reason."""
    missing: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for row in rows:
        for each in row.behaviour:
            head = HEADS[each.measure].partition(",")[0].lower()
            told = ("Not known", each.reason) if each.mean is None else ("", "")
            if each.mean is not None and each.growth and each.growth.growth is None:
                told = ("Not compared", each.growth.reason)
            if told[0]:
                place = f"{row.variant} in {row.suite}"
                missing.setdefault(told, {}).setdefault(place, {})[head] = None
    for (what, reason), places in missing.items():
        heads = list(dict.fromkeys(head for some in places.values() for head in some))
        where = "" if len(places) == len(rows) else f" of {first_of(places, _NAMED)}"
        yield f"{what}: {joined(heads, len(heads))}{where}: {reason}."
