"""The next token of each row: greedy, or drawn with the row's own random numbers.

The order is that of transformers and vLLM: repetition penalty over prompt and answer, temperature,
top_k, top_p. Every number comes from the request; nothing from a model's generation_config.json.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harness.backends.hf.rows import DecodingRow


def draw(logits: torch.Tensor, rows: Sequence[DecodingRow]) -> list[int]:
    """Draw one token for each row. `logits` is [rows, vocabulary], in any float format."""
    scores = logits.float()
    # Divide positive and multiply negative scores of tokens seen before (Keskar et al. 2019).
    penalised = [i for i, row in enumerate(rows) if row.request.sampling.repetition_penalty != 1.0]
    if penalised:
        scores = scores.clone()
    for index in penalised:
        row = rows[index]
        penalty = row.request.sampling.repetition_penalty
        seen = torch.tensor(sorted({*row.prompt, *row.ids}), device=scores.device)
        values = scores[index, seen]
        scores[index, seen] = torch.where(values > 0, values / penalty, values * penalty)
    tokens: list[int] = scores.argmax(dim=-1).tolist()
    drawn = [index for index, row in enumerate(rows) if row.request.sampling.temperature > 0]
    if drawn:
        sampled = _sample(
            scores[torch.tensor(drawn, device=scores.device)], [rows[i] for i in drawn]
        )
        for index, token in zip(drawn, sampled, strict=True):
            tokens[index] = token
    return tokens


def _sample(scores: torch.Tensor, rows: Sequence[DecodingRow]) -> list[int]:
    """Draw by inverting the cumulative distribution over tokens sorted by probability."""
    samplings = [row.request.sampling for row in rows]
    everything = 2**31 - 1  # top_k: 0 keeps all tokens

    def column(values: Sequence[float]) -> torch.Tensor:  # [rows, 1]
        return torch.tensor(values, device=scores.device)[:, None]

    temperature = column([s.temperature for s in samplings])
    top_k = column([s.top_k or everything for s in samplings])
    top_p = column([s.top_p for s in samplings])
    uniform = column([row.random.random() for row in rows])
    ordered, tokens = (scores / temperature).sort(dim=-1, descending=True, stable=True)
    rank = torch.arange(ordered.shape[-1], device=scores.device)
    ordered = ordered.masked_fill(rank >= top_k, float("-inf"))
    shares = ordered.softmax(dim=-1)
    before = shares.cumsum(dim=-1) - shares
    shares = shares.masked_fill((before >= top_p) & (rank > 0), 0.0)
    total = shares.cumsum(dim=-1)
    chosen = torch.searchsorted(total, uniform * total[:, -1:], right=True)
    last = (shares > 0).sum(dim=-1, keepdim=True) - 1  # rounding must not choose an excluded token
    found: list[int] = tokens.gather(-1, torch.minimum(chosen, last)).squeeze(-1).tolist()
    return found
