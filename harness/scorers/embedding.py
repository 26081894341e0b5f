"""Token and text embeddings of a local model; torch and transformers are imported here alone.

Greedy matching as in BERTScore (Zhang et al. 2020, without idf and rescaling): each token takes its
most similar token on the other side; precision is the mean over the answer's, recall over the
reference's tokens. Special tokens can be taken, and do not take part in the means, as in the
reference implementation (bert-score 0.3.13). A text's embedding is pooled as the model's own
folder says (`1_Pooling/config.json` of sentence-transformers), by the mean where it says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import Field

from harness.common import InputError, shown
from harness.common.reading import fitting, inside, read_json

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
# Some tokenizers give 1e30 as their longest input; beyond 512 tokens encoders were not trained.
_LONGEST = 512
# The parts of such a folder that are computed here: pooling, and a norm that a cosine ignores.
_PARTS = frozenset({"Transformer", "Pooling", "Normalize"})
# Names of the pooling flags in sentence-transformers' folders, and what they mean here.
_POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}


class Match(NamedTuple):
    """How well two texts match, each in [-1, 1]."""

    precision: float
    recall: float
    f1: float


def greedy_match(model: str, text: str, reference: str, layer: int = -1) -> Match:
    """Return the match of two texts; nothing matches an empty one."""
    said, wanted = _states(model, text, layer), _states(model, reference, layer)
    if not said.own.any() or not wanted.own.any():
        return Match(0.0, 0.0, 0.0)
    table = said.unit() @ wanted.unit().T
    precision = float(table.max(dim=1).values[said.own].mean())
    recall = float(table.max(dim=0).values[wanted.own].mean())
    total = precision + recall
    return Match(precision, recall, 2 * precision * recall / total if total > 0 else 0.0)


@dataclass(frozen=True, slots=True)
class Pooling:
    """How states become one vector: `mean`, `cls`, `max` or `last`; `longest` input in tokens."""

    mode: str = "mean"
    longest: int = _LONGEST


def pooling_of(folder: Path) -> Pooling:
    """Return how a model's folder pools, as sentence-transformers writes it; without torch.

    Raises `ValueError` for parts that are not computed here, such as a dense layer, and for files
    that cannot be read.
    """

    def read(name: str, kind: type[T], otherwise: T) -> T:
        path = inside(folder, folder / name, shown(name), "the model's folder")
        return fitting(kind, read_json(path), str(path)) if path.is_file() else otherwise

    try:
        modules = read("modules.json", list[_Module], [])
        kinds = [module.type.rpartition(".")[2] for module in modules]
        if unknown := [kind for kind in kinds if kind not in _PARTS]:
            raise ValueError(f"its modules.json has {unknown[0]}, which is not computed here")
        poolings = [m.path for m, kind in zip(modules, kinds, strict=True) if kind == "Pooling"]
        config = read(f"{[*poolings, '1_Pooling'][0]}/config.json", dict[str, Any], {})
        limits = read("sentence_bert_config.json", _Limits, _Limits())
    except InputError as error:
        raise ValueError(str(error.problems[0])) from None
    modes = [name for flag, name in _POOLINGS.items() if config.get(flag)]
    modes = modes or [str(config.get("pooling_mode", "mean"))]
    if len(modes) > 1 or modes[0] not in _POOLINGS.values():
        raise ValueError(f"its pooling is {' and '.join(modes)}: use mean, cls, max or last")
    return Pooling(modes[0], limits.max_seq_length or _LONGEST)


@dataclass(frozen=True, slots=True)
class _Module:
    """One entry of modules.json."""

    type: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class _Limits:
    """What of sentence_bert_config.json is used."""

    max_seq_length: Annotated[int, Field(ge=1)] | None = None


def cosine(model: str, text: str, reference: str, pooling: Pooling) -> float:
    """Return the cosine of the two texts' embeddings; 0 for an empty one."""
    said, wanted = _pooled(model, text, pooling), _pooled(model, reference, pooling)
    return 0.0 if said is None or wanted is None else float(said @ wanted)


def embedded(model: str, text: str, pooling: Pooling) -> Any:
    """Return the unit vector of a text as numpy's array of float32; one of NaN for an empty text.

    NaN is close to nothing.
    """
    found = _pooled(model, text, pooling)
    if found is None:
        import numpy as np

        return np.full(_loaded(model)[1].config.hidden_size, np.nan, dtype=np.float32)
    return found.numpy()


def _pooled(model: str, text: str, pooling: Pooling) -> Tensor | None:
    """Return the unit vector of a text, special tokens included as in sentence-transformers."""
    from torch.nn.functional import normalize

    found = _states(model, text, -1, pooling.longest)
    if not found.own.any():
        return None
    states = found.states
    vector = {
        "mean": lambda: states.mean(dim=0),
        "cls": lambda: states[0],
        "max": lambda: states.max(dim=0).values,
        "last": lambda: states[-1],
    }[pooling.mode]()
    unit: Tensor = normalize(vector, dim=0)
    return unit


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The states of a text's tokens, tokens × width; `own`: which are no special ones."""

    states: Tensor
    own: Tensor

    def unit(self) -> Tensor:
        """Return the states as unit vectors."""
        from torch.nn.functional import normalize

        return normalize(self.states, dim=-1)


def _states(model: str, text: str, layer: int, longest: int = _LONGEST) -> _Tokens:
    """Return the states of one layer for at most so many tokens of a text."""
    import torch

    tokenizer, network, bound = _loaded(model)
    batch = tokenizer(
        text,
        truncation=True,
        max_length=min(longest, bound),
        return_special_tokens_mask=True,
        return_tensors="pt",
    )
    own = batch.pop("special_tokens_mask")[0] == 0
    if not own.any():
        return _Tokens(torch.zeros((0, 1)), own)
    with torch.inference_mode():
        out = network(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            output_hidden_states=True,
        )
    return _Tokens(out.hidden_states[layer][0].float(), own)


@lru_cache(maxsize=2)
def _loaded(model: str) -> tuple[Any, Any, int]:
    """Return tokenizer, network in evaluation mode on the CPU, and the longest input in tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    network = AutoModel.from_pretrained(model, local_files_only=True, dtype=torch.float32)
    positions = getattr(network.config, "max_position_embeddings", _LONGEST) or _LONGEST
    return tokenizer, network.eval(), min(_LONGEST, positions, tokenizer.model_max_length)
