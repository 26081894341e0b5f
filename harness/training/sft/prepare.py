"""All that is known before a process is started: samples, counts, and what decides the weights."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.backends import (
    FileHashes,
    ModelDir,
    adapter_hash,
    model_hash,
    open_adapter,
    open_model,
)
from harness.common import InputError, Problem, digest, from_home
from harness.prompts import ChatTokenizer, load_tokenizer
from harness.training.pairing import FoundPairs, demand_pairs, pair_answers
from harness.training.rows import RowFile, read_preferences, read_rows
from harness.training.sft.config import DataFile, TrainConfig
from harness.training.sft.demands import (
    demand,
    demand_adapter,
    demand_rows,
    demand_template,
    shortened,
)
from harness.training.sft.encoding import encode
from harness.training.sft.job import Samples
from harness.training.sft.lessons import (
    Lesson,
    conversations,
    demand_lessons,
    group_of,
    last_answers,
)
from harness.training.sft.manifest import counts, identity
from harness.training.values import Rollout


def read_data(config: TrainConfig) -> tuple[tuple[Lesson, ...], tuple[Lesson, ...]]:
    """Read rows, or pairs, to train on and to hold out; raise `InputError` for what is wrong."""
    if config.method == "grpo":
        raise InputError(
            Problem(
                "method: grpo learns from a suite's checks as rewards, and files of rows have none",
                hint="harness fix --method grpo learns from a failing suite (docs/repair.md)",
            )
        )
    if not config.data:
        raise InputError(Problem("data: no file of rows is named", hint="data: [rows.jsonl]"))
    return _lessons(config, config.data), _lessons(config, config.held_out)


def _lessons(config: TrainConfig, files: Sequence[DataFile]) -> tuple[Lesson, ...]:
    specs = [RowFile(file.path, file.count, file.system, file.replay) for file in files]
    if config.method == "sft":
        return tuple(read_rows(specs, config.seed))
    found = read_preferences(specs, config.seed)
    made = pair_answers(found.answers)
    if files:
        demand_pairs([FoundPairs((*found.pairs, *made.pairs), made.left_out)])
    return (*found.pairs, *made.pairs)


FEWEST = 20  # with fewer held-out rows their loss is mostly noise
MOST_SHARE = 0.2  # of the rows, up to which a small share is raised to the fewest
TOO_FEW = 10  # rows in all, below which none are held out


def held_out_count(rows: int, share: float) -> int:
    """Return how many rows to hold out: the share, at least 20, or a fifth if that is fewer."""
    if share == 0 or rows < TOO_FEW:
        return 0
    return max(round(share * rows), min(FEWEST, int(MOST_SHARE * rows)))


AnyLesson = TypeVar("AnyLesson", bound=Lesson)


def split(
    rows: Sequence[AnyLesson], share: float, seed: int
) -> tuple[list[AnyLesson], list[AnyLesson]]:
    """Return rows to train on and rows to hold out, both in their order.

    Rows of one group, and equal conversations, are on one side; so are all answers to a prompt.
    """
    wanted = held_out_count(len(rows), share)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[group_of(row)].append(index)
    held: set[int] = set()
    for name in sorted(groups, key=lambda name: digest([seed, name])):
        if len(held) + len(groups[name]) <= wanted:
            held.update(groups[name])
    train = [row for index, row in enumerate(rows) if index not in held]
    return train, [row for index, row in enumerate(rows) if index in held]


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
        path = from_home(self.base.name)
        return str(path.resolve()) if path.is_dir() else self.base.name


def prepare(
    config: TrainConfig,
    rows: Sequence[Lesson],
    held_out: Sequence[Lesson] = (),
    cache: Path | None = None,
) -> Prepared:
    """Check settings and rows, split off the held-out rows, tokenise. Raise `InputError`."""
    demand_lessons(config, [*rows, *held_out])
    base = open_model(config.model)
    demand(config, base)
    tokenizer = load_tokenizer(
        base.path,
        trust_remote_code=config.trust_remote_code,
        arguments=config.chat_template_args,
    )
    demand_template(config, tokenizer)
    demand_rows(conversations([*rows, *held_out]))
    train, held = list(rows), list(held_out)
    if not held and config.method != "grpo":  # of answers with rewards no loss tells anything
        train, held = split(rows, float(config.held_out_share), config.seed)
    own = tokenizer.eos_token_id
    # The tokens that end an answer, as the engines have them.
    ends = tuple(sorted({*base.eos_token_ids, *([] if own is None else [own])}))
    samples, dropped = _samples(config, base, tokenizer, ends, train, held)
    hashes = FileHashes(cache)
    weights, start = model_hash(base, hashes), ""
    if config.adapter is not None:
        adapter = open_adapter(str(config.adapter), base)
        demand_adapter(config, adapter)
        start = adapter_hash(adapter, hashes)
    return Prepared(
        config=config,
        base=base,
        ends=ends,
        tokenizer=tokenizer,
        samples=samples,
        counts={
            **counts(train, held, samples),
            "dropped_as_too_long": dropped,
            "steps": config.steps(len(samples.train) // (2 if config.method == "dpo" else 1)),
        },
        identity=identity(config, weights, tokenizer.template_hash, train, held, start),
    )


def _samples(
    config: TrainConfig,
    base: ModelDir,
    tokenizer: ChatTokenizer,
    ends: tuple[int, ...],
    train: Sequence[Lesson],
    held: Sequence[Lesson],
) -> tuple[Samples, int]:
    """Return the samples that fit, and how many rows or pairs did not."""
    first, rows = conversations(train), conversations([*train, *held])
    found = encode(rows, tokenizer, ends, last_only=last_answers(train))
    limit = min(config.max_length or 2**31, base.context_length or 2**31)
    long = {sample.row for sample in found if len(sample.ids) > limit}
    if long and config.long_rows == "error":
        problems = []
        for row in sorted(long):
            length = max(len(sample.ids) for sample in found if sample.row == row)
            problems.append(
                Problem(
                    "the row is too long, and cut off it would teach the model never to stop",
                    rows[row].source,
                    found=f"{length} tokens",
                    expected=f"{limit} tokens at most",
                    hint="shorten it, raise max_length, or say long_rows: drop",
                )
            )
        raise InputError(*shortened(problems))
    if config.method == "dpo":  # with one answer goes the other
        long |= {row ^ 1 for row in long}
    kept = [sample for sample in found if sample.row not in long]
    parts = (
        tuple(sample for sample in kept if sample.row < len(first)),
        tuple(sample for sample in kept if sample.row >= len(first)),
    )
    if not parts[0]:
        raise InputError(Problem(f"no row is left: none has at most {limit} tokens"))
    advantages = tuple(lesson.advantage for lesson in train if isinstance(lesson, Rollout))
    if advantages:
        advantages = tuple(advantages[sample.row] for sample in parts[0])
    return Samples(rows, *parts, advantages), len(long) // (2 if config.method == "dpo" else 1)


STEPS_AT_ONCE = 50  # so many steps of samples are sorted together
JITTER = 0.2  # lengths are blurred by so much, or the same samples would always meet


def epoch_order(lengths: Sequence[int], batch: int, seed: int, epoch: int) -> list[int]:
    """Return indices of all samples; each `batch` of them in a row makes one step.

    Samples of a step have similar lengths, longest first, so that little is padded; steps come in
    random order, those of the first epoch with the longest sample at the front, where memory runs
    out at once if it does. The same arguments give the same order.
    """
    rng = random.Random(f"{seed}/{epoch}")
    mixed = rng.sample(range(len(lengths)), len(lengths))
    blurred = [length * (1 + JITTER * rng.random()) for length in lengths]
    steps: list[list[int]] = []
    for start in range(0, len(mixed), batch * STEPS_AT_ONCE):
        near = sorted(mixed[start : start + batch * STEPS_AT_ONCE], key=blurred.__getitem__)
        steps += [near[at : at + batch] for at in range(0, len(near), batch)]
    full = [step for step in steps if len(step) == batch]
    rest = [step for step in steps if len(step) < batch]  # at most one: the shorter step is last
    rng.shuffle(full)
    if epoch == 0 and full:
        full.sort(key=lambda step: -max(lengths[index] for index in step))
        full[1:] = rng.sample(full[1:], len(full) - 1)
    ordered = (sorted(step, key=lambda index: -lengths[index]) for step in full + rest)
    return [index for step in ordered for index in step]
