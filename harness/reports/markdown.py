"""A summary for a pull request."""

from __future__ import annotations

from harness.common import VariantRole
from harness.reports.scorecard import Category, Scorecard, VariantCard
from harness.reports.words import (
    duration,
    label,
    listed,
    noise,
    percent,
    points,
    points_span,
    probability,
    span,
)

_HEAD = (
    "| suite | variant | passed | rate | 95 % | change | 95 % | p (Holm) | verdict |\n"
    "|---|---|--:|--:|:-:|--:|:-:|--:|---|\n"
)
_SPECIAL = str.maketrans(
    {char: "\\" + char for char in "\\`*_[]|#"} | {"<": "&lt;", ">": "&gt;", "\n": " "}
)


def to_markdown(scorecard: Scorecard) -> str:
    """The verdicts first, then one row per suite and variant, then what it was made under."""
    parts = [f"## {label(scorecard.verdict)}: {scorecard.run.kind} {escaped(scorecard.run.id)}\n"]
    parts += [_verdict(card, scorecard) for card in scorecard.candidates()]
    if not scorecard.run.finished:
        parts.append("**The run did not finish: figures cover what was done.**\n")
    parts.append(_HEAD + "".join(_row(row) for row in scorecard.categories))
    remarks = [f"- warning: {escaped(text)}\n" for text in _warnings(scorecard)]
    remarks += [
        f"- noise floor, {escaped(r.variant)} asked twice: "
        f"{escaped(noise(r.suite, r.flip_rate, r.pairs, r.flaky))}\n"
        for r in scorecard.noise
    ]
    remarks += [f"- note: {escaped(note)}\n" for note in scorecard.notes]
    if remarks:
        parts.append("".join(remarks))
    parts.append(_made_under(scorecard))
    return "\n".join(parts)


def _verdict(card: VariantCard, scorecard: Scorecard) -> str:
    head = f"{label(card.verdict)}. " if card.verdict else ""
    lines = [f"**{head}{escaped(card.summary)}**\n"]
    for row in scorecard.rows(variant=card.name):
        if row.gate and row.suite in card.blocked_by:
            lines += [f"- {escaped(row.suite)}: {escaped(reason)}" for reason in row.gate.reasons]
            if row.gate.worse:
                cases = listed([f"`{case}`" for case in row.gate.worse])
                lines.append(f"  Got worse: {cases}")
    return "\n".join(lines) + "\n"


def _warnings(scorecard: Scorecard) -> list[str]:
    """Those about the run, then those about a suite of a candidate."""
    rows = scorecard.categories
    own = [f"{r.variant}, {r.suite}: {text}" for r in rows for text in scorecard.warnings_of(r)]
    return [*scorecard.warnings, *own]


def _row(row: Category) -> str:
    gate = row.gate
    verdict = label(gate.verdict) if gate else _standing(row)
    cells = (
        escaped(row.suite),
        escaped(row.variant),
        f"{row.passed}/{row.n}",
        percent(row.pass_rate),
        span(row.ci),
        points(gate.delta) if gate and gate.delta is not None else "",
        points_span(gate.delta_ci) if gate else "",
        probability(gate.p_adjusted) if gate and gate.p_adjusted is not None else "",
        verdict,
    )
    return "| " + " | ".join(cells) + " |\n"


def _standing(row: Category) -> str:
    if row.role is VariantRole.CANDIDATE:
        return f"no verdict: {row.partial}" if row.partial else "no verdict"
    return row.role.value


def _made_under(scorecard: Scorecard) -> str:
    run = scorecard.run
    made = f"{run.answers} in {duration(run.seconds)} · " if run.kind == "run" else ""
    return (
        f"{made}{escaped(run.backend)} · "
        f"harness {escaped(run.harness_version)} · signature {scorecard.signature.digest}\n"
    )


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return text.translate(_SPECIAL)
