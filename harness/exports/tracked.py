"""A run as experiment trackers hold it: names with texts, names with numbers, and files.

MLflow and W&B get the same: one record for the run, and below it one for each variant, so that
adapters and nights stand beside each other as rows and a suite's rate is a line over them. The
table of docs/export.md says which field goes where.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.common import HarnessError, MachineryError, Problem
from harness.exports.values import RunExport
from harness.reports import Category, VariantCard

NO_VERDICT = "no verdict"
LONGEST_REASON = 300  # characters of what a tracker says when it refuses


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """One record of a tracker. `params` are what it was made under, `tags` what was said of it.

    A metric that nobody can tell is left out. `note` is text for people.
    """

    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    note: str = ""
    files: tuple[Path, ...] = ()
    children: tuple[TrackedRun, ...] = field(default=(), repr=False)


def tracked_runs(run: RunExport, *, answers: bool = True) -> TrackedRun:
    """Return the record of a run, with those of its variants below it.

    Without `answers` the page of the scorecard is left out: it shows prompts and answers.
    """
    document, info = run.document, run.document.run
    shared = {
        **run.tags,
        "harness.run": info.id,
        "harness.version": info.harness_version,
        "harness.signature": document.signature.digest,
    }
    if run.remark.label:
        shared["label"] = run.remark.label
    files = [run.paths.json, run.paths.markdown, *([run.paths.html] if answers else [])]
    params: dict[str, Any] = {
        "backend": info.backend,
        "baseline": info.baseline,
        "started": info.started,
        "options": list(info.options),
        "execution": dict(info.execution),
        "scorers": document.signature.scorers,
        "judges": document.signature.judges,
    }
    for suite in info.suites:
        params[f"{suite.name}/gate"] = suite.gate.model_dump(mode="json")
        params[f"{suite.name}/cases"] = suite.cases
        params[f"{suite.name}/selected"] = suite.selected
        params[f"{suite.name}/sampling"] = suite.sampling
    return TrackedRun(
        name=run.remark.label or info.id,
        params=_texts(params),
        metrics={
            "seconds": info.seconds,
            "generated": info.generated,
            "cached": info.cached,
            "tokens": info.tokens,
        },
        tags={
            **shared,
            "verdict": document.verdict.value if document.verdict else NO_VERDICT,
            "finished": str(info.finished).lower(),
        },
        note="\n\n".join(
            filter(None, [run.remark.note, *(each.summary for each in document.variants)])
        ),
        files=tuple(path for path in files if path.is_file()),
        children=tuple(_variant(run, each, shared) for each in document.variants),
    )


def _variant(run: RunExport, card: VariantCard, shared: Mapping[str, str]) -> TrackedRun:
    """Return the record of one variant: its weights, and its figures in each suite."""
    rows = [row for row in run.document.categories if row.variant == card.name]
    verdicts = {
        f"{row.suite}/verdict": row.gate.verdict.value if row.gate else row.partial or NO_VERDICT
        for row in rows
    }
    params = {
        "model": card.model,
        "adapter": card.adapter,
        "weights": card.weights,
        "adapter_hash": card.adapter_hash,
        "signature": card.signature,
        "system": card.system,
        "chat_template": card.chat_template,
        "chat_template_args": card.chat_template_args,
        "chat_template_defaults": card.chat_template_defaults,
        "system_role": card.system_role,
        "sampling": card.sampling,
        **{f"environment/{name}": value for name, value in card.environment.items()},
    }
    return TrackedRun(
        name=card.name,
        params=_texts(params),
        metrics={
            f"{row.suite}/{name}": float(value)
            for row in rows
            for name, value in figures_of(row)
            if value is not None
        },
        tags={
            **shared,
            **verdicts,
            "role": card.role.value,
            "verdict": card.verdict.value if card.verdict else NO_VERDICT,
        },
        note=card.summary,
    )


def figures_of(row: Category) -> Iterator[tuple[str, float | None]]:
    """Yield the figures of one suite and variant by name; None where nobody can tell."""
    yield "pass_rate", row.pass_rate
    if row.ci:
        yield "ci_low", row.ci[0]
        yield "ci_high", row.ci[1]
    if row.gate:
        yield "delta", row.gate.delta
        if row.gate.delta_ci:
            yield "delta_ci_low", row.gate.delta_ci[0]
            yield "delta_ci_high", row.gate.delta_ci[1]
        for name in ("p", "p_adjusted", "mde", "lower_bound", "pairs"):
            yield name, getattr(row.gate, name)
        yield "worse", len(row.gate.worse)
        yield "better", len(row.gate.better)
    for name in ("n", "passed", "failed", "errors", "skipped"):
        yield name, getattr(row, name)
    for name, several in (("pass_at", row.pass_at_k), ("pass_hat", row.pass_hat_k)):
        for tries in several:
            yield f"{name}_{tries.k}", tries.estimate
            if tries.ci:
                yield f"{name}_{tries.k}_ci_low", tries.ci[0]
                yield f"{name}_{tries.k}_ci_high", tries.ci[1]
    if row.prefer:
        yield "win_share", row.prefer.share
        if row.prefer.ci:
            yield "win_share_ci_low", row.prefer.ci[0]
            yield "win_share_ci_high", row.prefer.ci[1]
    for measured in row.behaviour:
        yield measured.measure.value, measured.mean


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as texts: what is nothing is left out, what has parts is JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in values.items()
        if value not in (None, "", {}, [])
    }


@contextmanager
def refusals(where: str, *kinds: type[Exception]) -> Iterator[None]:
    """Raise what a tracker's own library raises as broken machinery, in one line.

    Raises MachineryError for all that is no error of the harness itself.
    """
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        if not isinstance(error, (*kinds, OSError, ValueError, RuntimeError)):
            raise
        said = " ".join(str(error).split())
        found = f"{said[:LONGEST_REASON]} ..." if len(said) > LONGEST_REASON else said
        problem = Problem(
            f"{where} refused",
            found=f"{type(error).__name__}: {found}",
            hint="check address, network and credentials; the run itself is in the store",
        )
        raise MachineryError(problem) from error
