"""A run in the shape of lm-evaluation-harness: results and samples, a folder for each variant.

A suite is a task, a case is a document; `pass_rate` stands where `acc` would. What lm-eval has no
place for (intervals, verdicts, the gate) is under `harness` in the same file.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import ExitStack
from datetime import datetime
from itertools import groupby
from math import sqrt
from typing import Any, TextIO

from harness.common import JsonValue, plural
from harness.exports.values import Destination, Exported, RunExport, new_directory
from harness.reports import VariantCard, asked
from harness.results import Outcome, Result

FILTER = "none"
_IN_NAMES = re.compile(r"[\"<>:/|\\?*\[\]]+")  # as lm-eval writes the folder of a model


def write_lm_eval(run: RunExport, destination: Destination) -> Exported:
    """Write `VARIANT/results_TIME.json` and `VARIANT/samples_SUITE_TIME.jsonl` into a new folder.

    Several answers to one case are one sample with several `resps`, as lm-eval's repeats.
    """
    when = datetime.fromisoformat(run.document.run.started).replace(tzinfo=None)
    stamp = when.isoformat(timespec="microseconds").replace(":", "-")
    folders = {
        card.name: _folder_of(card.name)
        for card in run.document.variants
        if any(row.variant == card.name for row in run.document.categories)
    }
    names: list[str] = []
    samples = 0
    hashes: dict[tuple[str, str], Any] = {}
    with new_directory(destination) as folder:
        for home in folders.values():
            (folder / home).mkdir(exist_ok=True)
        for suite, results in groupby(run.results(), lambda result: result.suite):
            with ExitStack() as stack:
                files: dict[str, TextIO] = {}
                numbers: dict[str, int] = {}
                for (case, variant), tries in groupby(results, lambda r: (r.case, r.variant)):
                    if variant not in files:
                        name = f"{folders[variant]}/samples_{suite}_{stamp}.jsonl"
                        names.append(name)
                        file = (folder / name).open("w", encoding="utf-8", errors="replace")
                        files[variant] = stack.enter_context(file)
                    number = numbers.setdefault(case, len(numbers))  # the same for all variants
                    row = _sample(number, list(tries))
                    digest = hashes.setdefault((suite, variant), hashlib.sha256())
                    digest.update(
                        f"{row['doc_hash']}{row['prompt_hash']}{row['target_hash']}".encode()
                    )
                    files[variant].write(json.dumps(row, ensure_ascii=False) + "\n")
                    samples += 1
        for card in run.document.variants:
            if card.name in folders:
                tasks = {suite: d.hexdigest() for (suite, v), d in hashes.items() if v == card.name}
                name = f"{folders[card.name]}/results_{stamp}.json"
                names.append(name)
                content = json.dumps(_results(run, card, tasks), indent=2)
                (folder / name).write_text(content + "\n", encoding="utf-8")
    directory = destination.directory
    what = f"{plural(samples, 'sample')} in {plural(len(names), 'file')}"
    return Exported(str(directory), what, tuple(directory / name for name in names))


def _results(run: RunExport, card: VariantCard, task_hashes: dict[str, str]) -> JsonValue:
    """Return the results of one variant; `pass_rate_stderr` is that of a mean of 0 and 1."""
    info = run.document.run
    rows = [row for row in run.document.categories if row.variant == card.name]
    suites = {suite.name: suite for suite in info.suites}
    results: dict[str, JsonValue] = {}
    for row in rows:
        figures: dict[str, JsonValue] = {"alias": row.suite}
        if row.pass_rate is not None:
            spread = sqrt(row.pass_rate * (1 - row.pass_rate) / (row.n - 1)) if row.n > 1 else None
            figures[f"pass_rate,{FILTER}"] = row.pass_rate
            figures[f"pass_rate_stderr,{FILTER}"] = "N/A" if spread is None else spread
        results[row.suite] = figures
    names = [row.suite for row in rows]
    return {
        "results": results,
        "group_subtasks": {name: [] for name in names},
        "configs": {
            name: {
                "task": name,
                "output_type": "generate_until",
                "repeats": suites[name].sampling.get("repeats") or 1,
                "generation_kwargs": dict(suites[name].sampling),
                "metadata": {"version": 0},
            }
            for name in names
        },
        "versions": dict.fromkeys(names, 0),
        "n-shot": dict.fromkeys(names, 0),
        "higher_is_better": {name: {"pass_rate": True} for name in names},
        "n-samples": {
            row.suite: {"original": suites[row.suite].cases, "effective": row.n} for row in rows
        },
        "config": {
            "model": info.backend,
            "model_args": {"pretrained": card.model, "peft": card.adapter},
            "limit": None,
        },
        "date": datetime.fromisoformat(info.started).timestamp(),
        "model_source": info.backend,
        "model_name": card.name,
        "model_name_sanitized": _folder_of(card.name),
        "system_instruction": card.system,
        "total_evaluation_time_seconds": str(info.seconds),
        "task_hashes": dict(task_hashes),
        "harness": {
            "run": info.id,
            "label": run.remark.label,
            "note": run.remark.note,
            "tags": dict(run.tags),
            "version": info.harness_version,
            "variant": card.model_dump(mode="json"),
            "categories": [row.model_dump(mode="json") for row in rows],
        },
    }


def _sample(number: int, tries: list[Result]) -> dict[str, JsonValue]:
    """Return one case and its answers; a try that was not judged has no `pass_rate`."""
    first = tries[0]
    turns: list[JsonValue] = [{"role": role, "content": text} for role, text in asked(first)]
    prompt = json.dumps(turns)
    doc: dict[str, JsonValue] = {"id": first.case, "messages": turns, "tags": list(first.tags)}
    answers = [result.responses[-1] if result.responses else "" for result in tries]
    judged = [r.outcome is Outcome.PASS for r in tries if r.outcome in (Outcome.PASS, Outcome.FAIL)]
    return {
        "doc_id": number,
        "doc": doc,
        "target": "",
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {}}},
        "resps": [list(answers)],
        "filtered_resps": list(answers),
        "filter": FILTER,
        "metrics": ["pass_rate"],
        "doc_hash": _hash(json.dumps(doc, sort_keys=True)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(""),
        "pass_rate": sum(judged) / len(judged) if judged else None,
        "outcomes": [result.outcome.value for result in tries],
        "reasons": [result.reason for result in tries],
    }


def _folder_of(variant: str) -> str:
    """Return the name of a variant's folder: never one that leads out of the export."""
    name = _IN_NAMES.sub("__", variant)
    return name.replace(".", "_") if set(name) == {"."} else name


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
