"""The model card, `README.md` beside the adapter: what it is, how to load it, how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SERVED_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's max_lora_rank may be


def model_card(manifest: Mapping[str, Any]) -> str:
    """Markdown with the metadata that model hubs read."""
    base, settings, metrics = manifest["base"], manifest["settings"], manifest["metrics"]
    data, lora = manifest["data"], manifest["settings"]["lora"]
    alpha = lora["alpha"] or 2 * lora["rank"]
    held = metrics["held_out_loss"]
    shown = "nothing was held out" if held is None else f"{held:.4f} on held-out rows"
    return "\n".join(
        [
            "---",
            f"base_model: {json.dumps(base, ensure_ascii=False)}",
            "library_name: peft",
            "pipeline_tag: text-generation",
            "tags: [lora, adapter-gate-harness]",
            "---",
            "",
            "# LoRA adapter",
            "",
            f"A LoRA adapter for `{base}`, trained by the adapter-gate harness. Whether it may",
            "replace what it was trained from is for the gate to say: `harness run`.",
            "",
            "    vllm serve BASE --enable-lora --max-lora-rank "
            f"{served_rank(lora['rank'])} --lora-modules NAME=DIRECTORY",
            "    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), DIRECTORY)",
            "",
            "| | |",
            "| --- | --- |",
            f"| rows | {data['rows']}, {data['replay']} of them replay; "
            f"{data['held_out']} held out |",
            f"| tokens | {data['tokens']} in an epoch, {data['answer_tokens']} in the loss |",
            f"| LoRA | rank {lora['rank']}, alpha {alpha:g}"
            f"{', rank-stabilised' if lora['rslora'] else ''}; {', '.join(lora['targets'])} |",
            f"| training | learning rate {settings['learning_rate']:g}, {settings['schedule']}, "
            f"{settings['batch_size']} rows a step, seed {settings['seed']} |",
            f"| weights | of step {metrics['step']} of {metrics['steps']} |",
            f"| loss | {shown} |",
            f"| chat template | the base's own, {manifest['identity']['template']} |",
            "",
            "![loss](loss.svg)",
            "",
            "`manifest.json` holds everything: settings, counts, hashes, versions, every loss.",
            "",
        ]
    )


def served_rank(rank: int) -> int:
    """The smallest `max_lora_rank` with which vLLM serves this rank; 0 where there is none."""
    return next((size for size in SERVED_RANKS if size >= rank), 0)
