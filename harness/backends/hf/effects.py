"""Log-probabilities of the fixed prompts, to see that an adapter changes what is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from harness.backends.adapter_dir import AdapterDir
from harness.backends.effect import PROBES, Effect, LogProbs, judge_effect, unchecked
from harness.backends.hf.loading import LoadedModel
from harness.backends.hf.memory import is_out_of_memory
from harness.errors import InputError
from harness.prompts import ChatTokenizer

Probe = tuple[int, ...]  # token ids


class Effects:
    """Measures adapters on one model in memory; the base is measured once, and once more."""

    def __init__(self, loaded: LoadedModel, tokenizer: ChatTokenizer) -> None:
        self._loaded = loaded
        self._probes = _probes(tokenizer, loaded.directory.context_length)
        self._base: tuple[LogProbs, LogProbs] | None = None

    def measure(self, variant: str, adapter: AdapterDir) -> Effect:
        """What the adapter does; what cannot be measured is said to be unchecked."""
        if not self._probes:
            return unchecked(variant, "the chat template refuses the prompts that it needs")
        try:
            base, again = self._of_base()
            return judge_effect(variant, base, again, self._with(adapter))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return unchecked(variant, "out of memory")

    def _of_base(self) -> tuple[LogProbs, LogProbs]:
        """Prompts alone, and in pairs: the same numbers but for rounding, which so shows."""
        if self._base is None:
            self._loaded.activate(None)
            alone, paired = (log_probs(self._loaded.model, self._probes, n) for n in (1, 2))
            self._base = alone, paired
        return self._base

    def _with(self, adapter: AdapterDir) -> LogProbs:
        self._loaded.activate(adapter)
        return log_probs(self._loaded.model, self._probes, 1)


def log_probs(model: Any, probes: Sequence[Probe], rows: int) -> LogProbs:
    """Of each token of each probe but the first, `rows` probes at a time.

    `model` is a causal model of transformers.
    """
    found: dict[tuple[int, int | str], float] = {}
    for first in range(0, len(probes), rows):
        group = probes[first : first + rows]
        for index, values in enumerate(_of_group(model, group)):
            for place, value in enumerate(values, start=1):
                found[first + index, place] = value
    return found


@torch.inference_mode()
def _of_group(model: Any, group: Sequence[Probe]) -> list[list[float]]:
    width = max(map(len, group))
    ids = torch.zeros(len(group), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, probe in enumerate(group):
        ids[row, : len(probe)] = torch.tensor(probe)
        mask[row, : len(probe)] = 1
    ids, mask = ids.to(model.device), mask.to(model.device)
    scores = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
    chosen = scores.gather(-1, ids[:, 1:, None])[..., 0] - scores.logsumexp(-1)
    return [chosen[row, : len(probe) - 1].tolist() for row, probe in enumerate(group)]


def _probes(tokenizer: ChatTokenizer, context: int | None) -> list[Probe]:
    """The prompts as token ids, without those that the template or the context has no room for."""
    found = []
    for messages in PROBES:
        try:
            ids = tokenizer.token_ids(messages)
        except InputError:
            continue
        if 1 < len(ids) <= (context or len(ids)):
            found.append(ids)
    return found
