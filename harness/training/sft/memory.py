"""How much is computed at once: chosen by an estimate, and made smaller where memory runs out.

The rows of one step stay the same: half of them at once means twice as many rounds. After single
rows comes gradient checkpointing, which keeps fewer activations and computes them again; then, of
several processes, each keeps only its part of the base. Each try is made by fresh processes: memory
that was lost to the last ones is not given back by any other means.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.common import MachineryError, Problem
from harness.training.sft.checkpoints import replace_file
from harness.training.sft.config import TrainConfig
from harness.training.sft.job import Footing, divisor_at_most

FILE = "footing.json"
AT_ONCE = 8  # rows at once on a CPU, where more are no faster
USABLE = 0.92  # of the free memory; the rest is for gaps between what is allocated
APART = 1.5e9  # bytes for tiles of logits and for workspaces of matrix products
TRAINED = 18  # bytes of a trained number: itself, its gradient, two moments, a copy in 16 bits
BUSY = 2048  # tokens at once with which a GPU has enough to do


@dataclass(frozen=True, slots=True)
class Load:
    """What a training's memory depends on: the weights' bytes, numbers trained, sizes.

    `lengths` are the tokens of every row. `padded`: rows of a batch are padded to the longest.
    `fused`: one kernel computes a norm, and a projection with its adapter; `lean`: one computes the
    activation of an MLP too (liger). `outside` are the bytes of embeddings and head.
    """

    weights: float
    trained: int
    layers: int
    hidden: int
    inner: int
    bytes_a_number: int
    lengths: Sequence[int]
    padded: bool
    fused: bool
    lean: bool
    outside: float = 0.0

    def bytes_at(self, device_batch: int, *, checkpointing: bool, shards: int = 1) -> float:
        """Estimate the most bytes that are in use with so many of the longest rows at once.

        Of a base in several `shards`, two layers and what is outside of them are whole at a time.
        A layer keeps for each token the inputs of its matrices, norms and activation; how many
        numbers that is was measured on models of Llama's shape (docs/benchmarks.md).
        """
        longest = sorted(self.lengths, reverse=True)[:device_batch]
        tokens = longest[0] * device_batch if self.padded else sum(longest)
        kept = (3 if self.lean else 4) * self.inner + (6 if self.fused else 20) * self.hidden
        layer = tokens * kept * self.bytes_a_number
        activations = layer * self.layers
        if checkpointing:
            activations = layer + tokens * self.hidden * self.bytes_a_number * self.layers
        weights = self.weights
        if shards > 1:
            inside = (weights - self.outside) / self.layers
            weights = weights / shards + self.outside + 2 * inside
        return weights + self.trained * TRAINED + APART + activations


def estimated_footing(config: TrainConfig, load: Load, free: float) -> tuple[Footing, str]:
    """Choose as many rows at once as fit into `free` bytes, and say so.

    Activations are kept where at least a GPU's worth of tokens, or as many rows as with gradient
    checkpointing, fit so. Several processes share the base where a whole one leaves no room for a
    single row. What the user says holds.
    """
    most = config.device_batch_size or config.share
    sizes = [size for size in range(1, most + 1) if config.share % size == 0]

    def fitting(shards: int, *, checkpointing: bool) -> int:
        fit = (
            size
            for size in sizes
            if load.bytes_at(size, checkpointing=checkpointing, shards=shards) <= free * USABLE
        )
        return max(fit, default=0)

    sharded = can_shard(config) and (config.shard or not fitting(1, checkpointing=True))
    shards = config.processes if sharded else 1
    keeping, twice = fitting(shards, checkpointing=False), fitting(shards, checkpointing=True)
    mean = sum(load.lengths) / len(load.lengths)
    checkpointing = config.gradient_checkpointing
    if checkpointing is None:
        checkpointing = not keeping or (keeping < twice and keeping * mean < BUSY)
    rows = max(twice if checkpointing else keeping, 1)
    if config.device_batch_size:
        rows = sizes[-1]
    found = Footing(rows, checkpointing, sharded=sharded)
    taken = load.bytes_at(rows, checkpointing=checkpointing, shards=shards)
    return found, f"{described(config, found)}: about {taken / 1e9:.1f} of {free / 1e9:.1f} GB"


def can_shard(config: TrainConfig) -> bool:
    """Return whether several processes may each hold a part of the base.

    Not of one in 4 bits, nor of one out of which the adapter's beginning is taken.
    """
    whole = config.qlora or config.lora.moves_the_base
    return config.processes > 1 and config.shard is not False and not whole


def usual_footing(config: TrainConfig) -> Footing:
    """Return what is computed at once where memory is not estimated: on a CPU."""
    wanted = config.device_batch_size or AT_ONCE
    rows = divisor_at_most(config.share, wanted)
    sharded = can_shard(config) and bool(config.shard)
    return Footing(rows, bool(config.gradient_checkpointing), sharded=sharded)


def known_footing(config: TrainConfig, work: Path) -> Footing | None:
    """Return what an earlier attempt had; None without one, or if the user now wishes otherwise."""
    file = work / FILE
    if not file.is_file():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    return Footing(**found["footing"]) if found["wish"] == _wish(config) else None


def remember(config: TrainConfig, work: Path, footing: Footing) -> None:
    """Let `footing` hold for every later attempt."""
    found = {"wish": _wish(config), "footing": asdict(footing)}
    replace_file(work / FILE, json.dumps(found).encode())


def _wish(config: TrainConfig) -> list[int | bool | None]:
    return [
        config.device_batch_size,
        config.gradient_checkpointing,
        config.processes,
        config.shard,
    ]


def smaller(config: TrainConfig, footing: Footing, reason: str) -> Footing:
    """Return the next thing to try; raise `MachineryError` at the end."""
    if footing.device_batch > 1:
        half = divisor_at_most(config.share, footing.device_batch // 2)
        return replace(footing, device_batch=half)
    if not footing.checkpointing:
        return replace(footing, checkpointing=True)
    if can_shard(config) and not footing.sharded:
        return replace(footing, sharded=True)
    ways = ["shorter rows (max_length with long_rows: drop)", "a smaller model", "a larger device"]
    if not config.qlora:
        ways.insert(0, "qlora: true")
    raise MachineryError(
        Problem(
            "memory runs out with a single row at once and gradient checkpointing",
            config.model,
            found=reason,
            hint="try " + ", ".join(ways[:-1]) + f", or {ways[-1]}",
        )
    )


def described(config: TrainConfig, footing: Footing) -> str:
    """Say for people: `2 rows at once, 8 times a step`."""
    times = config.share // footing.device_batch
    rows = "1 row" if footing.device_batch == 1 else f"{footing.device_batch} rows"
    each = f" in each of {config.processes} processes" if config.processes > 1 else ""
    again = ", with gradient checkpointing" if footing.checkpointing else ""
    split = ", each with a part of the base" if footing.sharded else ""
    return f"{rows} at once{each}, {times} times a step{again}{split}"
