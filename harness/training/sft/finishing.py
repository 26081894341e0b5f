"""The finished adapter: a directory that peft, transformers and vLLM load as it is.

Every file is put there whole; `adapter_config.json`, without which nothing loads it, is last but
for the manifest, which says that the training is over.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.common import InputError, MachineryError, Problem
from harness.training.sft.checkpoints import (
    CONFIG,
    WEIGHTS,
    History,
    checkpoints,
    preferences_at,
    read_history,
    replace_file,
    resumable,
    step_of,
    strip,
)
from harness.training.sft.config import LoraSettings
from harness.training.sft.demands import served_rank
from harness.training.sft.job import TrainedAdapter
from harness.training.sft.manifest import NAME, SCHEMA, differences, read_manifest, versions
from harness.training.sft.prepare import Prepared
from harness.training.sft.progress import draw


def model_card(manifest: Mapping[str, Any]) -> str:
    """Return markdown with the metadata that model hubs read."""
    base, settings, metrics = manifest["base"], manifest["settings"], manifest["metrics"]
    data, lora = manifest["data"], manifest["settings"]["lora"]
    saved = LoraSettings.model_validate(lora).saved
    begun = f", begun as {lora['init']} of rank {lora['rank']}" if saved.rank > lora["rank"] else ""
    held = metrics["held_out_loss"]
    shown = "nothing was held out" if held is None else f"{held:.4f} on held-out rows"
    return "\n".join(
        [
            "---",
            f"base_model: {json.dumps(base, ensure_ascii=False)}",
            "library_name: peft",
            "pipeline_tag: text-generation",
            "tags: [lora, lora-regression-harness]",
            "---",
            "",
            "# LoRA adapter",
            "",
            f"A LoRA adapter for `{base}`, trained by the adapter-gate harness. Whether it may",
            "replace what it was trained from is for the gate to say: `harness run`.",
            "",
            "    vllm serve BASE --enable-lora --max-lora-rank "
            f"{served_rank(saved.rank)} --lora-modules NAME=DIRECTORY",
            "    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), DIRECTORY)",
            "",
            "| | |",
            "| --- | --- |",
            f"| rows | {data['rows']}, {data['replay']} of them replay; "
            f"{data['held_out']} held out |",
            f"| tokens | {data['tokens']} in an epoch, {data['answer_tokens']} in the loss |",
            f"| LoRA | rank {saved.rank}, alpha {saved.scale:g}{begun}"
            f"{', rank-stabilised' if lora['rslora'] else ''}"
            f"{', DoRA' if lora.get('dora') else ''}; {', '.join(lora['targets'])} |",
            f"| training | learning rate {settings['learning_rate']:g}, {settings['schedule']}, "
            f"{settings['batch_size']} rows a step, seed {settings['seed']} |",
            f"| weights | of step {metrics['step']} of {metrics['steps']}"
            f"{', chosen by suites' if 'selection' in manifest else ''} |",
            f"| loss | {shown} |",
            f"| chat template | the base's own, {manifest['identity']['template']} |",
            "",
            "![loss](loss.svg)",
            "",
            "`manifest.json` holds everything: settings, counts, hashes, versions, every loss.",
            "",
        ]
    )


def finish(
    prepared: Prepared, work: Path, facts: Mapping[str, Any], notes: Mapping[str, Any]
) -> TrainedAdapter:
    """Make the output a finished adapter out of the checkpoints in it."""
    output = prepared.config.output
    newest = resumable(output)
    if newest is None:
        raise MachineryError(Problem("the training ended without a checkpoint", str(output)))
    history = read_history(newest)
    wanted = history.best if prepared.config.keep == "best" else None
    found = {step_of(path): path for path in checkpoints(output)}
    chosen = found.get(wanted, newest) if wanted is not None else newest
    step = step_of(chosen)
    told_apart = preferences_at(newest, step)
    manifest: dict[str, Any] = {
        **notes,
        "schema": SCHEMA,
        "base": prepared.base_name,
        "identity": dict(prepared.identity),
        "data": dict(prepared.counts),
        "settings": prepared.config.model_dump(mode="json", exclude={"model", "output", "suites"}),
        "versions": versions(),
        "metrics": {
            "step": step,
            "steps": step_of(newest),
            "held_out_loss": dict(history.held_out).get(step),
            "losses": [[at, round(loss, 6)] for at, loss in history.steps],
            "held_out_losses": [[at, round(loss, 6)] for at, loss in history.held_out],
            **({"preferences": told_apart} if told_apart else {}),
        },
        "run": dict(facts),
    }
    for path in checkpoints(output):
        replace_file(path / CONFIG, _with_base(path, prepared.base_name))
    for name, data in _files(prepared, chosen, history, manifest, work).items():
        replace_file(output / name, data)
    tidy(output, work)
    return _adapter(output, manifest)


def choose(output: Path, step: int, selection: Mapping[str, Any]) -> TrainedAdapter:
    """Give a finished adapter the weights of another of its checkpoints, and say why.

    Done again after a kill, it ends the same. The manifest, which names the step, is written last.
    """
    manifest = read_manifest(output)
    chosen = {step_of(path): path for path in checkpoints(output)}[step]
    assert manifest is not None
    metrics = dict(manifest["metrics"])
    if metrics["step"] != step:
        metrics.pop("preferences", None)  # they were those of the other step
    losses = dict(metrics["held_out_losses"])
    metrics |= {"step": step, "held_out_loss": losses.get(step)}
    manifest |= {"metrics": metrics, "selection": dict(selection)}
    files = {
        "README.md": model_card(manifest).encode(),
        WEIGHTS: (chosen / WEIGHTS).read_bytes(),
        CONFIG: (chosen / CONFIG).read_bytes(),
        NAME: (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode(),
    }
    for name, data in files.items():
        replace_file(output / name, data)
    return _adapter(output, manifest)


def tidy(output: Path, work: Path) -> None:
    """Remove what only the training needed; its checkpoints stay, as adapters."""
    strip(checkpoints(output))
    for path in (*output.glob(".checkpoint-*"), work):
        shutil.rmtree(path, ignore_errors=True)


def _files(
    prepared: Prepared,
    chosen: Path,
    history: History,
    manifest: Mapping[str, Any],
    work: Path,
) -> dict[str, bytes]:
    """Return all files of the adapter, in the order in which they are written."""
    staging = work / "tokenizer"
    prepared.tokenizer.tokenizer.save_pretrained(str(staging))
    files = {file.name: file.read_bytes() for file in sorted(staging.iterdir()) if file.is_file()}
    return files | {
        "loss.svg": draw(history).encode(),
        "README.md": model_card(manifest).encode(),
        WEIGHTS: (chosen / WEIGHTS).read_bytes(),
        CONFIG: _with_base(chosen, prepared.base_name),
        NAME: (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode(),
    }


def finished(output: Path, identity: Mapping[str, str]) -> TrainedAdapter | None:
    """Return the adapter that is there already, if it is this very one; None without one.

    Raise `InputError` where the directory holds another one.
    """
    manifest = read_manifest(output)
    if manifest is None:
        return None
    if different := differences(manifest["identity"], identity):
        raise InputError(
            Problem(
                "holds another trained adapter",
                str(output),
                found="other " + ", ".join(different),
                hint="train into another directory, or remove this one",
            )
        )
    return _adapter(output, manifest)


def _adapter(output: Path, manifest: Mapping[str, Any]) -> TrainedAdapter:
    metrics = manifest["metrics"]
    history = History(
        tuple((step, loss) for step, loss in metrics["losses"]),
        tuple((step, loss) for step, loss in metrics["held_out_losses"]),
    )
    found = tuple(checkpoints(output))
    return TrainedAdapter(output, metrics["step"], metrics["steps"], history, found, manifest)


def _with_base(checkpoint: Path, base: str) -> bytes:
    """Return the adapter's configuration with the base's own name, in one order everywhere."""
    config = json.loads((checkpoint / CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()
    return (json.dumps(config, indent=2, sort_keys=True) + "\n").encode()
