"""Several processes that train one adapter together, one for each GPU of one or more hosts.

They are started by torchrun's agent (`launching`), which ends all of a host where one fails. What
is trained does not depend on their number: `epoch_order` says which rows make a step, each process
takes its share of them, and gradients are averaged before the step. A step with too few rows is
filled with rows that teach nothing. Each has the whole base, and accelerate wraps the model in DDP;
or each has a part of it (FSDP2, by transformers), and the adapter alone is there everywhere.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import distributed
from torch.utils.data import Dataset, Sampler
from transformers import TrainerCallback

from harness.common import InputError, Problem
from harness.training.sft.encoding import IGNORED
from harness.training.sft.prepare import epoch_order

RANK = "rank"  # argument of the worker that is one of several
BLANK_TOKENS = 2
SHARDS = Version("5.19")  # before it, its trainer hands a base in parts to DDP, which fails


@dataclass(frozen=True, slots=True)
class World:
    """Which process of how many this is: `rank` of `size`, `local` of `beside` on this host."""

    rank: int = 0
    local: int = 0
    size: int = 1
    beside: int = 1

    @classmethod
    def here(cls) -> World:
        """Return what the agent says; a process that it did not start is alone."""
        if RANK not in sys.argv[1:]:
            return cls()
        names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
        return cls(*(int(os.environ[name]) for name in names))

    def device(self, named: str) -> str:
        """Return the device of this process, where `named` is of all; alone, the first GPU."""
        kind = named.partition(":")[0]
        if self.size > 1 and kind in ("auto", "cuda") and torch.cuda.is_available():
            return f"cuda:{self.local}"
        return kind

    def threads(self, wanted: int | None) -> int | None:
        """Return the threads of this process: its part of the processors, unless it is said."""
        if wanted or self.size == 1 or "OMP_NUM_THREADS" in os.environ:
            return wanted
        return max(1, len(os.sched_getaffinity(0)) // self.beside)

    def join(self, device: torch.device) -> None:
        """Meet the other processes; returns when all are there."""
        if self.size == 1:
            return
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")

    def least(self, number: float, device: torch.device) -> float:
        """Return the smallest of the numbers that all processes give."""
        if self.size == 1:
            return number
        found = torch.tensor(number, dtype=torch.float64, device=device)
        distributed.all_reduce(found, distributed.ReduceOp.MIN)
        return float(found)

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            distributed.barrier()


def sharded_loading(world: World) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` with which each process loads its part alone."""
    if Version(transformers.__version__) < SHARDS:
        raise InputError(
            Problem(
                "shard: this transformers does not train a model in parts",
                found=f"transformers {transformers.__version__}",
                expected=f"transformers {SHARDS} or newer",
                hint=f"pip install 'transformers>={SHARDS}', or say shard: false",
            )
        )
    from transformers.distributed.configuration_utils import DistributedConfig

    return {"distributed_config": DistributedConfig(fsdp_size=world.size)}


class StepSampler(Sampler[int]):
    """The order of `epoch_order`; accelerate tells it the epoch, also when a training resumes.

    With several processes the order goes to all of them in turn, `at_once` rows to each: a step
    that does not come out even is filled with the number behind the last row, a blank one.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, at_once: int = 1) -> None:
        self.lengths, self.batch, self.seed = lengths, batch, seed
        self.epoch = 0
        self.blanks = -(len(lengths) % batch) % at_once

    def set_epoch(self, epoch: int) -> None:
        """Take the order of another epoch, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths) + self.blanks

    def __iter__(self) -> Iterator[int]:
        yield from epoch_order(self.lengths, self.batch, self.seed, self.epoch)
        yield from [len(self.lengths)] * self.blanks


class InOrder(Sampler[int]):
    """Rows as they lie, filled up with blank ones to a multiple of `at_once`."""

    def __init__(self, rows: int, at_once: int) -> None:
        self.rows, self.length = rows, rows + -rows % at_once

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        return (min(row, self.rows) for row in range(self.length))


class WithBlank(Dataset[Any]):
    """Rows, and behind the last one a row that teaches nothing; it is not counted."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        shortest: Mapping[str, Any] = min(rows, key=lambda row: len(row["input_ids"]))
        tokens = list(shortest["input_ids"][:BLANK_TOKENS])
        self._blank = {"input_ids": tokens, "labels": [IGNORED] * len(tokens)}
        if "seq_lengths" in shortest:
            self._blank["seq_lengths"] = [len(tokens)]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Any:
        return self._rows[index] if index < len(self._rows) else self._blank


class Reseed(TrainerCallback):
    """Draws random numbers (for dropout) anew in each step, others in each process.

    So a training goes on as it would have, with any number of processes, without the states of
    their generators.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world, self._seed = world, seed

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Seed torch's generators, of the CPU and of GPUs."""
        place = (self._seed << 24) + state.global_step * self._world.size + self._world.rank
        torch.manual_seed(place)
