"""What a pipeline shows beside the lines of suite files: GitHub's commands, GitLab's report."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from harness.common import HarnessError, InputError, VariantRole, digest, shown, visible
from harness.common.yaml_positions import Position
from harness.reports.scorecard import Scorecard
from harness.reports.words import label
from harness.results import Outcome, Result, Verdict

CASES = 3  # of a suite and candidate: GitHub shows ten errors of a step
_LEVEL: Mapping[Verdict, Literal["error", "warning"]] = {
    Verdict.ERROR: "error",
    Verdict.REGRESSED: "error",
    Verdict.BELOW_THRESHOLD: "error",
    Verdict.INCONCLUSIVE: "warning",
}
_SEVERITY = {"error": "major", "warning": "minor", "notice": "info"}


@dataclass(frozen=True, slots=True)
class Annotation:
    """One remark about a line of a file; without a `path` about the whole run."""

    level: Literal["error", "warning", "notice"]
    title: str
    message: str
    path: str = ""
    line: int = 0
    column: int = 0


def annotations_of(
    scorecard: Scorecard,
    results: Iterable[Result],
    places: Mapping[str, Position],
    lines: Mapping[str, int],
) -> Iterator[Annotation]:
    """Yield what stands in the way: each suite, then the first cases that show it.

    `places` says where cases stand, `lines` where suites begin; a suite that is not in it begins
    at line 1. `results` are read once, and only where something stands in the way.
    """
    paths = {suite.name: suite.path for suite in scorecard.run.suites}
    against = [
        row
        for row in scorecard.rows()
        if row.role is VariantRole.CANDIDATE and row.verdict in _LEVEL
    ]
    cases: dict[tuple[str, str], list[Annotation]] = {(r.suite, r.variant): [] for r in against}
    worse = {(row.suite, row.variant): set(row.got_worse) for row in against}
    for result in results if against else ():
        key = (result.suite, result.variant)
        found = cases.get(key)
        if found is None or len(found) == CASES or result.case not in places:
            continue
        if result.case in worse[key] or (
            not worse[key] and result.outcome in (Outcome.FAIL, Outcome.ERROR)
        ):
            place = places[result.case]
            title = f"{result.case}: {result.variant} got worse"
            if not worse[key]:
                title = f"{result.case}: {result.variant} {result.outcome}s"
            found.append(Annotation("warning", title, result.reason, place.path, place.line))
    for row in against:
        yield Annotation(
            _LEVEL[row.verdict or Verdict.ERROR],
            f"{row.suite}, {row.variant}: {label(row.verdict)}",
            "; ".join(row.reasons) or label(row.verdict),
            paths.get(row.suite, ""),
            lines.get(row.suite, 1),
        )
    for number in range(CASES):  # the first case of each suite before the second of any
        yield from (found[number] for found in cases.values() if number < len(found))
    for warning in scorecard.gate.warnings:
        yield Annotation("warning", "harness", warning)
    for card in scorecard.candidates():
        if card.verdict is Verdict.PASS:
            yield Annotation("notice", f"harness: {card.name}", card.summary)


def annotations_of_error(error: HarnessError) -> Iterator[Annotation]:
    """Yield what was wrong with the input, or what broke, at its place."""
    title = "harness: wrong input" if isinstance(error, InputError) else "harness: broken"
    for problem in error.problems:
        told = [problem.message, *(text for text in str(problem).split("\n")[1:])]
        yield Annotation(
            "error", title, "\n".join(told), problem.path, problem.line, problem.column
        )


def to_github(annotation: Annotation, root: Path) -> str:
    """Return a workflow command; paths are said from `root`, the checkout.

    What acts in a command is escaped, so that no model's answer and no file name can end it or
    begin another.
    """
    fields = {"title": annotation.title}
    if annotation.path:
        fields["file"] = _from(root, annotation.path)
        if annotation.line:
            fields["line"] = str(annotation.line)
        if annotation.column:
            fields["col"] = str(annotation.column)
    escaped = {n: _data(v).replace(":", "%3A").replace(",", "%2C") for n, v in fields.items()}
    told = ",".join(f"{name}={value}" for name, value in escaped.items())
    return f"::{annotation.level} {told}::{_data(annotation.message)}"


def to_code_quality(annotations: Iterable[Annotation], root: Path) -> str:
    """Return GitLab's code quality report. It has remarks about files alone.

    A fingerprint is of file and title (suite or case, variant, verdict), so that a remark is the
    same one in the next pipeline although lines or figures have moved.
    """
    found = [
        {
            "description": visible(f"{each.title}: {shown(each.message, 500)}"),
            "check_name": "harness",
            "fingerprint": digest([each.path, each.title]),
            "severity": _SEVERITY[each.level],
            "location": {"path": _from(root, each.path), "lines": {"begin": max(each.line, 1)}},
        }
        for each in annotations
        if each.path
    ]
    return json.dumps(found, indent=2, ensure_ascii=True) + "\n"


def _from(root: Path, path: str) -> str:
    """Return a path as the checkout has it, with forward slashes; one outside of it as it is."""
    whole = os.path.abspath(path)
    inside = os.path.relpath(whole, os.path.abspath(root))
    return str(PurePosixPath(Path(path if inside.startswith("..") else inside)))


def _data(text: str) -> str:
    kept = "\n".join(visible(line) for line in text.splitlines())
    return kept.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
