"""Token and text embeddings of a local model; torch and transformers are imported here alone.

Greedy matching as in BERTScore (Zhang et al. 2020, without idf and rescaling): each token takes its
most similar token on the other side; precision is the mean over the answer's, recall over the
reference's tokens.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

# Some tokenizers give 1e30 as their longest input; beyond 512 tokens encoders were not trained.
_LONGEST = 512


class Match(NamedTuple):
    """How well two texts match, each in [-1, 1]."""

    precision: float
    recall: float
    f1: float


def greedy_match(model: str, text: str, reference: str, layer: int = -1) -> Match:
    """The match of two texts; nothing matches an empty one."""
    said, wanted = _states(model, text, layer), _states(model, reference, layer)
    if not len(said) or not len(wanted):
        return Match(0.0, 0.0, 0.0)
    table = said @ wanted.T
    precision = float(table.max(dim=1).values.mean())
    recall = float(table.max(dim=0).values.mean())
    total = precision + recall
    return Match(precision, recall, 2 * precision * recall / total if total > 0 else 0.0)


def cosine(model: str, text: str, reference: str) -> float:
    """The cosine of the two texts' mean states; 0 for an empty one."""
    said, wanted = _mean(model, text), _mean(model, reference)
    return 0.0 if said is None or wanted is None else float(said @ wanted)


def _mean(model: str, text: str) -> Tensor | None:
    from torch.nn.functional import normalize

    states = _hidden(model, text, -1)
    return normalize(states.mean(dim=0), dim=0) if len(states) else None


def _states(model: str, text: str, layer: int) -> Tensor:
    """Unit vectors of the text's tokens, special ones left out: tokens × width."""
    from torch.nn.functional import normalize

    return normalize(_hidden(model, text, layer), dim=-1)


def _hidden(model: str, text: str, layer: int) -> Tensor:
    """The states of one layer, special tokens left out: tokens × width, float32."""
    import torch

    tokenizer, network, longest = _loaded(model)
    batch = tokenizer(
        text,
        truncation=True,
        max_length=longest,
        return_special_tokens_mask=True,
        return_tensors="pt",
    )
    own = batch.pop("special_tokens_mask")[0] == 0
    if not int(own.sum()):
        return torch.zeros((0, 1))
    with torch.inference_mode():
        out = network(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            output_hidden_states=True,
        )
    states: Tensor = out.hidden_states[layer][0][own].float()
    return states


@lru_cache(maxsize=2)
def _loaded(model: str) -> tuple[Any, Any, int]:
    """Tokenizer, network in evaluation mode on the CPU, and the longest input in tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    network = AutoModel.from_pretrained(model, local_files_only=True, dtype=torch.float32)
    positions = getattr(network.config, "max_position_embeddings", _LONGEST) or _LONGEST
    return tokenizer, network.eval(), min(_LONGEST, positions, tokenizer.model_max_length)
