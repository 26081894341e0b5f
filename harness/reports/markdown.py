"""A summary for a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from harness.common import (
    VariantRole,
    duration,
    joined,
    percent,
    points,
    points_span,
    probability,
    span,
    visible,
)
from harness.reports.scorecard import Scorecard, VariantVerdict
from harness.reports.sections.people import people_lines
from harness.reports.words import (
    answered,
    behaved,
    enough,
    judged_by,
    label,
    noise,
    preferred,
    several_tries,
    slice_sight,
)
from harness.results import SuiteResult

_HEAD = (
    "| suite | variant | passed | rate | 95 % | change | 95 % | p (Holm) | verdict |\n"
    "|---|---|--:|--:|:-:|--:|:-:|--:|---|\n"
)
_SLICES = 8  # of a suite and variant: all of them are in scorecard.json
_SLICE_HEAD = (
    "| suite | variant | tag | baseline → variant | change | 95 % | can see | standing |\n"
    "|---|---|---|:-:|--:|:-:|---|---|\n"
)
_SPECIAL = str.maketrans(
    {char: "\\" + char for char in "\\`*_[]|#"} | {"<": "&lt;", ">": "&gt;", "\n": " "}
)


def to_markdown(scorecard: Scorecard) -> str:
    """Return the verdicts first, a row per suite and variant, and what it was made under."""
    run, gate = scorecard.run, scorecard.gate
    parts = [f"## {label(gate.verdict)}: {scorecard.kind} {escaped(run.id)}\n"]
    parts += [_verdict(card, scorecard) for card in scorecard.candidates()]
    if not run.finished:
        parts.append("**The run did not finish: figures cover what was done.**\n")
    parts.append(_HEAD + "".join(_row(row) for row in gate.suites))
    own = [f"{r.variant}, {r.suite}: {t}" for r in gate.suites for t in scorecard.warnings_of(r)]
    if sliced := [row for row in gate.suites if row.verdict and any(s.shift for s in row.slices)]:
        parts.append(_slices(sliced))
    remarks = [
        f"- {escaped(row.suite)}, {escaped(row.variant)}: {escaped(said)}\n"
        for row in gate.suites
        for said in (
            several_tries(row),
            behaved(row),
            *people_lines(scorecard.extras, row.suite, row.variant),
        )
        if said
    ]
    remarks += [
        f"- {escaped(row.suite)}, {escaped(row.variant)}, {escaped(preferred(row.preference))}: "
        f"{label(row.preference.verdict)}\n"
        for row in gate.suites
        if row.preference
    ]
    remarks += [f"- warning: {escaped(text)}\n" for text in (*gate.warnings, *own)]
    remarks += [
        f"- noise floor, {escaped(r.variant)} asked twice: "
        f"{escaped(noise(r.suite, r.flip_rate, r.pairs, r.flaky))}\n"
        for r in scorecard.noise
    ]
    remarks += [
        f"- {escaped(suite.name)}, {escaped(judged_by(standing))}\n"
        for suite in run.suites
        for standing in suite.judged
    ]
    remarks += [f"- note: {escaped(note)}\n" for note in run.notes]
    if remarks:
        parts.append("".join(remarks))
    made = f"{answered(run)} in {duration(run.seconds)} · " if scorecard.kind == "run" else ""
    parts.append(
        f"{made}{escaped(run.backend)} · "
        f"harness {escaped(run.harness_version)} · signature {scorecard.signature}\n"
    )
    return "\n".join(parts)


def _verdict(card: VariantVerdict, scorecard: Scorecard) -> str:
    head = f"{label(card.verdict)}. " if card.verdict else ""
    lines = [f"**{head}{escaped(card.summary)}**\n"]
    if card.sight and (said := enough(scorecard.rows(variant=card.name))):
        lines.append(f"{escaped(said)}\n")
    for row in scorecard.rows(variant=card.name):
        if row.suite in card.blocked_by:
            lines += [f"- {escaped(row.suite)}: {escaped(reason)}" for reason in row.reasons]
            if row.got_worse:
                cases = joined([f"`{case}`" for case in row.got_worse])
                lines.append(f"  Got worse: {cases}")
    return "\n".join(lines) + "\n"


def _row(row: SuiteResult) -> str:
    rate, seen = row.rate, row.comparison if row.verdict else None
    standing = f"no verdict: {row.partial}" if row.partial else "no verdict"
    if row.role is not VariantRole.CANDIDATE:
        standing = row.role.value
    cells = (
        escaped(row.suite),
        escaped(row.variant),
        f"{rate.passed}/{rate.n}",
        "all broke" if rate.broken else percent(rate.known),
        "" if rate.broken else span(rate.ci),
        points(seen.delta) if seen else "",
        points_span(seen.ci) if seen else "",
        probability(seen.p_adjusted) if seen else "",
        label(row.verdict) if row.verdict else standing,
    )
    return "| " + " | ".join(cells) + " |\n"


def _slices(rows: Sequence[SuiteResult]) -> str:
    """Return a folded table of the tags that are declared, changed most or lost together."""
    lines = [
        "| "
        + " | ".join(
            (
                escaped(row.suite),
                escaped(row.variant),
                escaped(each.tag),
                str(each.shift) if each.shift else "–",
                points(each.delta),
                points_span(each.ci),
                slice_sight(each),
                (label(each.verdict) if each.declared else "exploratory")
                + (", losses gather here" if each.drives else ""),
            )
        )
        + " |\n"
        for row in rows
        for each in row.slices[: max(_SLICES, sum(s.declared for s in row.slices))]
    ]
    return (
        f"<details><summary>Slices: the cases by tag</summary>\n\n{_SLICE_HEAD}{''.join(lines)}"
        "\n</details>\n"
    )


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return visible(text).translate(_SPECIAL)
