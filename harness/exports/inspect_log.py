"""A run as logs of Inspect: one JSON log for each suite and variant, which `inspect view` opens.

The format is that of `inspect_ai.log.EvalLog`, version 2. Samples are written as they are read, so
that memory does not grow with the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from harness.common import JsonValue, ToolCall, digest, plural
from harness.exports.tracked import figures_of
from harness.exports.values import Destination, Exported, RunExport, new_directory
from harness.reports import Category, VariantCard
from harness.results import Outcome, Result
from harness.scorers import strip_reasoning

SCORER = "harness"


def write_inspect(run: RunExport, destination: Destination) -> Exported:
    """Write one log for each suite and variant into a new folder, which `inspect view` takes."""
    variants = {card.name: card for card in run.document.variants}
    rows = {(row.suite, row.variant): row for row in run.document.categories}
    when = run.document.run.started.replace(":", "-")
    names: list[str] = []
    samples = 0
    used: dict[tuple[str, str], tuple[int, int, int]] = {}  # tokens: prompts, answers, reasoning
    for result in run.results():
        sums = used.get((result.suite, result.variant), (0, 0, 0))
        own = (result.prompt_tokens, result.completion_tokens, result.reasoning_tokens)
        used[result.suite, result.variant] = (
            sums[0] + own[0],
            sums[1] + own[1],
            sums[2] + own[2],
        )
    with new_directory(destination) as folder:
        for suite, results in groupby(run.results(), lambda result: result.suite):
            with ExitStack() as stack:
                logs: dict[str, _Log] = {}
                for result in results:
                    if result.variant not in logs:
                        card, row = variants[result.variant], rows[suite, result.variant]
                        # As Inspect names them: time, task and id, which "_" separates.
                        task = re.sub(r"[_.]", "-", f"{suite}-{card.name}")
                        name = f"{when}_{task}_{digest([run.id, suite, card.name], 22)}.json"
                        names.append(name)
                        file = stack.enter_context(
                            (folder / name).open("w", encoding="utf-8", errors="replace")
                        )
                        logs[result.variant] = _Log(file, run, row, card, used[suite, card.name])
                    logs[result.variant].add(result)
                    samples += 1
                for log in logs.values():
                    log.end()
    directory = destination.directory
    what = f"{plural(len(names), 'log')} of {plural(samples, 'sample')}; inspect view --log-dir"
    return Exported(str(directory), f"{what} {directory}", tuple(directory / n for n in names))


class _Log:
    """One log that is being written."""

    def __init__(
        self,
        file: TextIO,
        run: RunExport,
        row: Category,
        card: VariantCard,
        used: tuple[int, int, int],
    ) -> None:
        self._file, self._run, self._row, self._card = file, run, row, card
        self._model = Path(card.model).name or card.name
        self._separator = ""
        info = run.document.run
        ended = datetime.fromisoformat(info.started) + timedelta(seconds=info.seconds)
        (suite,) = (each for each in info.suites if each.name == row.suite)
        head: dict[str, JsonValue] = {
            "version": 2,
            "status": "success" if info.finished else "cancelled",
            "eval": {
                "eval_id": digest([run.id, row.suite, row.variant], 22),
                "run_id": run.id,
                "created": info.started,
                "task": row.suite,
                "task_id": digest([run.id, row.suite], 22),
                "task_version": 0,
                "task_file": suite.path,
                "task_args": {},
                "dataset": {
                    "name": row.suite,
                    "location": suite.path,
                    "samples": suite.selected,
                    "shuffled": False,
                },
                "model": f"{info.backend}/{self._model}",
                "model_args": {"adapter": card.adapter} if card.adapter else {},
                "config": {},
                "packages": {"lora-regression-harness": info.harness_version},
                "tags": [each for each in (run.remark.label, card.name) if each],
                "metadata": {
                    **run.tags,
                    "variant": card.name,
                    "role": card.role.value,
                    "verdict": row.gate.verdict.value if row.gate else None,
                    "reasons": list(row.gate.reasons) if row.gate else [],
                    "partial": row.partial,
                    "signature": card.signature,
                    "weights": card.weights,
                    "adapter_hash": card.adapter_hash,
                    "environment": dict(card.environment),
                    "gate": suite.gate.model_dump(mode="json"),
                    "note": run.remark.note,
                },
            },
            "plan": {"name": "plan", "steps": []},
            "stats": {
                "started_at": info.started,
                "completed_at": ended.isoformat(timespec="seconds"),
                "model_usage": {self._model: _usage(*used)},
            },
            "results": {
                "total_samples": row.n + row.skipped,
                "completed_samples": row.passed + row.failed,
                "scores": [
                    {
                        "name": SCORER,
                        "scorer": SCORER,
                        "params": {},
                        "metrics": {
                            name: {"name": name, "value": value, "params": {}}
                            for name, value in figures_of(row)
                            if value is not None
                        },
                    }
                ],
            },
        }
        # What reads a log's head alone stops at the samples: they are the last, and left open.
        opened = json.dumps(head)[:-1]
        file.write(f'{opened}, "samples": [')

    def add(self, result: Result) -> None:
        """Add one result as a sample."""
        # Half a surrogate pair becomes "?": no reader of this format takes it.
        sample = json.dumps(self._sample(result), ensure_ascii=False)
        self._file.write(f"{self._separator}\n{sample}")
        self._separator = ","

    def end(self) -> None:
        """Close what was left open."""
        self._file.write("\n]}\n")

    def _sample(self, result: Result) -> dict[str, JsonValue]:
        messages = [_message(row) for row in result.prompt]
        thought = result.reasoning[-1] if result.reasoning else ""
        text = result.responses[-1] if result.responses else ""
        text = strip_reasoning(text) if thought else text
        content: JsonValue = text
        if thought:
            content = [
                {"type": "reasoning", "reasoning": thought},
                {"type": "text", "text": text},
            ]
        answer: dict[str, JsonValue] = {
            "role": "assistant",
            "content": content,
            "source": "generate",
            "model": self._model,
        }
        first = next((n for n, row in enumerate(messages) if row["role"] == "assistant"), None)
        stop = {"stop": "stop", "length": "max_tokens", "tool_calls": "tool_calls"}
        choice: JsonValue = {
            "message": answer,
            "stop_reason": stop.get(result.finish_reason, "unknown"),
        }
        usage = _usage(result.prompt_tokens, result.completion_tokens, result.reasoning_tokens)
        sample: dict[str, JsonValue] = {
            "id": result.case,
            "epoch": result.repeat + 1,
            "input": list(messages[:first]) or "",
            "target": "",
            "messages": [*messages, *([answer] if result.responses else [])],
            "output": {
                "model": self._model,
                "choices": [choice] if result.responses else [],
                "completion": text,
                "usage": usage,
                "time": result.seconds,
            },
            "metadata": {
                "outcome": result.outcome.value,
                "tags": list(result.tags),
                "case_hash": result.case_hash,
                "cluster": result.cluster,
                "required": result.required,
                "responses": list(result.responses),
            },
            "model_usage": {self._model: usage},
            "total_time": result.seconds,
        }
        if result.outcome in (Outcome.PASS, Outcome.FAIL):
            sample["scores"] = {
                SCORER: {
                    "value": "C" if result.outcome is Outcome.PASS else "I",
                    "answer": text,
                    "explanation": result.reason or None,
                    "metadata": {
                        "score": result.score,
                        "checks": [
                            {"check": c.title, "passed": c.passed, "reason": c.reason}
                            for c in result.checks
                        ],
                    },
                }
            }
        else:  # broken machinery, or a text without room: no score
            sample["error"] = {"message": result.reason, "traceback": "", "traceback_ansi": ""}
        return sample


def _usage(prompt: int, answer: int, reasoning: int) -> JsonValue:
    return {
        "input_tokens": prompt,
        "output_tokens": answer,
        "total_tokens": prompt + answer,
        **({"reasoning_tokens": reasoning} if reasoning else {}),
    }


def _message(row: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return a message of a prompt as Inspect has it: calls of tools are flat there."""
    message: dict[str, JsonValue] = {"role": row["role"], "content": row["content"]}
    calls: Iterable[Any] = row.get("tool_calls", ())
    if found := [ToolCall.read(call) for call in calls]:
        message["tool_calls"] = [
            {
                "id": call.id or f"call-{number}",
                "function": call.name,
                "arguments": {} if isinstance(call.arguments, str) else dict(call.arguments),
                "type": "function",
            }
            for number, call in enumerate(found)
        ]
    if row["role"] == "tool":
        message["tool_call_id"] = row.get("tool_call_id")
        message["function"] = row.get("name")
    return message
