"""An adapter merged into its base: one model for engines that take no adapters, and checked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backends import AdapterDir, ModelDir, open_adapter, open_model, read_adapter_config
from harness.common import (
    InputError,
    MachineryError,
    Message,
    Messages,
    Problem,
    demand_writable,
    from_home,
)
from harness.prompts import ChatTokenizer, load_tokenizer
from harness.training.sft import publish

PROMPTS = (
    "Who are you?",
    "Give me a JSON object with the keys name and age: Ada is 36.",
    "Name three colours.",
    "Translate into French: Good morning.",
    "What is 17 plus 25?",
    "Write one sentence about the sea.",
    "Repeat exactly: alpha beta gamma.",
    "How do I cook rice?",
)
NEW_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged model and how it answers beside the adapter on its base.

    `same` of `prompts` greedy answers are equal, token for token; `delta` is the largest
    difference of a logit behind the prompts, beside logits as large as `scale`.
    """

    path: Path
    prompts: int
    same: int
    delta: float
    scale: float

    def agreement(self) -> str:
        """Return one line for people."""
        return (
            f"{self.same} of {self.prompts} greedy answers are the same as with the adapter on its "
            f"base; logits differ by {self.delta:.2g} at most (the largest is {self.scale:.3g})"
        )


def merge(
    adapter: str,
    out: Path,
    *,
    model: str | None = None,
    device: str = "cpu",
    prompts: Sequence[Messages] = (),
) -> Merged:
    """Write the merged model to a new directory and compare it, loaded anew, with the adapter.

    The base's own number format is kept. `prompts` are asked for the comparison; without any, a
    few of our own. Raise `InputError` for a quantised base (merged into 4-bit weights, an adapter
    loses to rounding), for an adapter that does not fit, for a device that is not there, and where
    `out` is there already or cannot be written; `MachineryError` where the merged model holds
    numbers that are not finite.
    """
    base = base_of(adapter, model)
    opened = open_adapter(adapter, base)
    if base.quantisation:
        raise InputError(
            Problem(
                "the base is quantised: merged into its few bits, an adapter is lost to rounding",
                base.name,
                found=base.quantisation,
                hint="merge into the model that it was made from (--model), then quantise the "
                "merged one",
            )
        )
    if out.exists():
        raise InputError(Problem("is there already", str(out), hint="give a new directory"))
    demand_writable(out, "name another directory: --out DIR")
    if opened.config.get("layer_replication"):
        raise InputError(Problem("has layer_replication, which cannot be merged", str(opened.path)))
    # Imports torch, which takes seconds: only now that the paths are right.
    from harness.backends.hf.loading import without_bars
    from harness.backends.hf.placement import place

    place(device, "float32")  # the device alone: the base's own number format is kept
    tokenizer = load_tokenizer(base.path)
    asked = prompts or [(Message("user", text),) for text in PROMPTS]
    ids = [list(tokenizer.token_ids(messages)) for messages in asked]
    with without_bars():
        before = _merge(base, opened, out, tokenizer, ids, device)
        after = _answers(_load(out, device), ids)
    pairs = list(zip(before.logits, after.logits, strict=True))
    return Merged(
        path=out,
        prompts=len(before.tokens),
        same=sum(a == b for a, b in zip(before.tokens, after.tokens, strict=True)),
        delta=max(float((a - b).abs().max()) for a, b in pairs),
        scale=max(float(a.abs().max()) for a, _ in pairs),
    )


def base_of(adapter: str, model: str | None) -> ModelDir:
    """Return the base that is named, or else the one that the adapter names itself."""
    if model:
        return open_model(model)
    named = read_adapter_config(from_home(adapter)).get("base_model_name_or_path")
    if not named:
        raise InputError(
            Problem("does not say which base it belongs to", str(adapter), hint="give --model BASE")
        )
    try:
        return open_model(str(named))
    except InputError as error:
        said = error.problems[0].message
        raise InputError(
            Problem(
                "the base that it names cannot be used",
                str(adapter),
                found=said if named in said else f"{named}: {said}",
                hint="give --model BASE",
            )
        ) from None


@dataclass(frozen=True, slots=True)
class _Answers:
    """Per prompt: the logits behind it and the greedy answer."""

    logits: list[Any]
    tokens: list[list[int]]


def _merge(
    base: ModelDir,
    adapter: AdapterDir,
    out: Path,
    tokenizer: ChatTokenizer,
    ids: Sequence[list[int]],
    device: str,
) -> _Answers:
    from peft import PeftModel

    model = PeftModel.from_pretrained(_load(base.path, device), str(adapter.path))
    answers = _answers(model.eval(), ids)
    try:
        merged = model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise MachineryError(Problem(f"cannot be merged: {error}", str(adapter.path))) from error

    def write(staging: Path) -> None:
        merged.save_pretrained(str(staging))
        tokenizer.tokenizer.save_pretrained(str(staging))
        generation = base.path / "generation_config.json"
        if generation.is_file():  # as transformers saves it, pad tokens turn up among the ends
            shutil.copyfile(generation, staging / generation.name)
        told = {"base": base.name, "adapter": str(adapter.path), "rank": adapter.rank}
        (staging / "merged.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")

    publish(out, write)
    return answers


def _load(path: Path, device: str) -> Any:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(
        str(path), dtype="auto", local_files_only=True, use_safetensors=True
    )
    return model.to(device).eval()


def _answers(model: Any, prompts: Sequence[list[int]]) -> _Answers:
    """Answer greedily, one prompt at a time, so that no padding tells the two models apart."""
    import torch

    logits, tokens = [], []
    for ids in prompts:
        asked = torch.tensor([ids], device=model.device)
        with torch.inference_mode():
            logits.append(model(input_ids=asked).logits[0, -1].float().cpu())
            said = model.generate(
                input_ids=asked,
                attention_mask=torch.ones_like(asked),
                do_sample=False,
                repetition_penalty=1.0,
                max_new_tokens=NEW_TOKENS,
            )
        tokens.append(said[0, len(ids) :].tolist())
    return _Answers(logits, tokens)
