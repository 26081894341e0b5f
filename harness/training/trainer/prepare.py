"""All that is known before a process is started: samples, counts, and what decides the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backends.fingerprints import FileHashes, model_hash
from harness.backends.model_dir import ModelDir, open_model
from harness.errors import InputError, Problem
from harness.prompts import ChatTokenizer, load_tokenizer
from harness.training.trainer.config import TrainConfig
from harness.training.trainer.demands import demand, demand_rows, demand_template, shortened
from harness.training.trainer.encoding import Sample, encode
from harness.training.trainer.job import Samples
from harness.training.trainer.manifest import counts, identity
from harness.training.trainer.splitting import split
from harness.training.values import Row


@dataclass(frozen=True)
class Prepared:
    """A training that may begin."""

    config: TrainConfig
    base: ModelDir
    ends: tuple[int, ...]
    tokenizer: ChatTokenizer
    samples: Samples
    counts: Mapping[str, Any]
    identity: Mapping[str, str]

    @property
    def base_name(self) -> str:
        """The base as an adapter names it: its hub name, or the whole path of its directory."""
        path = Path(self.base.name).expanduser()
        return str(path.resolve()) if path.is_dir() else self.base.name


def prepare(
    config: TrainConfig,
    rows: Sequence[Row],
    held_out: Sequence[Row] = (),
    cache: Path | None = None,
) -> Prepared:
    """Check settings and rows, split off the held-out rows, tokenise. Raises `InputError`."""
    base = open_model(config.model)
    demand(config, base)
    tokenizer = load_tokenizer(base.path, trust_remote_code=config.trust_remote_code)
    demand_template(config, tokenizer)
    demand_rows([*rows, *held_out])
    train, held = list(rows), list(held_out)
    if not held:
        train, held = split(rows, float(config.held_out_share), config.seed)
    ends = _ends(base, tokenizer)
    samples, dropped = _samples(config, base, tokenizer, ends, train, held)
    weights = model_hash(base, FileHashes(cache))
    return Prepared(
        config=config,
        base=base,
        ends=ends,
        tokenizer=tokenizer,
        samples=samples,
        counts={
            **counts(train, held, samples),
            "dropped_as_too_long": dropped,
            "steps": config.steps(len(samples.train)),
        },
        identity=identity(config, weights, tokenizer.template_hash, train, held),
    )


def _ends(base: ModelDir, tokenizer: ChatTokenizer) -> tuple[int, ...]:
    """The tokens that end an answer, as the engines have them."""
    own = tokenizer.eos_token_id
    return tuple(sorted({*base.eos_token_ids, *([] if own is None else [own])}))


def _samples(
    config: TrainConfig,
    base: ModelDir,
    tokenizer: ChatTokenizer,
    ends: tuple[int, ...],
    train: Sequence[Row],
    held: Sequence[Row],
) -> tuple[Samples, int]:
    """The samples that fit, and how many rows did not."""
    rows = (*train, *held)
    found = encode(rows, tokenizer, ends)
    limit = min(config.max_length or 2**31, base.context_length or 2**31)
    long = {sample.row for sample in found if len(sample.ids) > limit}
    if long and config.long_rows == "error":
        raise InputError(*shortened([_too_long(rows, found, row, limit) for row in sorted(long)]))
    kept = [sample for sample in found if sample.row not in long]
    parts = (
        tuple(sample for sample in kept if sample.row < len(train)),
        tuple(sample for sample in kept if sample.row >= len(train)),
    )
    if not parts[0]:
        raise InputError(Problem(f"no row is left: none has at most {limit} tokens"))
    return Samples(rows, *parts), len(long)


def _too_long(rows: Sequence[Row], found: Sequence[Sample], row: int, limit: int) -> Problem:
    length = max(len(sample.ids) for sample in found if sample.row == row)
    return Problem(
        "the row is too long, and cut off it would teach the model never to stop",
        rows[row].source,
        found=f"{length} tokens",
        wanted=f"{limit} tokens at most",
        mend="shorten it, raise max_length, or say long_rows: drop",
    )
