"""How much is computed at once, and what is tried when memory runs out.

The rows of one step stay the same: half of them at once means twice as many rounds. After single
rows comes gradient checkpointing, which keeps fewer activations and computes them again. Each try
is a fresh process: memory that was lost to the last one is not given back by any other means.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.common import MachineryError, Problem
from harness.training.sft.checkpoints import replace_file
from harness.training.sft.config import TrainConfig
from harness.training.sft.job import divisor_at_most

FILE = "oom.json"
AT_ONCE = 8  # rows on the device at first, where nothing is said


@dataclass(frozen=True, slots=True)
class Footing:
    """Rows computed at once, and whether activations are computed twice instead of kept."""

    device_batch: int
    checkpointing: bool


def first_footing(config: TrainConfig, work: Path) -> Footing:
    """What to begin with: what was found earlier in this training, or what the user says."""
    file = work / FILE
    if file.is_file():
        return Footing(**json.loads(file.read_text(encoding="utf-8")))
    wanted = config.device_batch_size or AT_ONCE
    return Footing(divisor_at_most(config.batch_size, wanted), config.gradient_checkpointing)


def smaller(config: TrainConfig, footing: Footing, work: Path, reason: str) -> Footing:
    """The next thing to try, remembered in `oom.json`; raises `MachineryError` at the end."""
    if footing.device_batch > 1:
        half = divisor_at_most(config.batch_size, footing.device_batch // 2)
        found = Footing(half, footing.checkpointing)
    elif not footing.checkpointing:
        found = Footing(1, checkpointing=True)
    else:
        raise MachineryError(_too_large(config, reason))
    replace_file(work / FILE, json.dumps(asdict(found)).encode())
    return found


def described(config: TrainConfig, footing: Footing) -> str:
    """For people: `2 rows at once, 8 times a step`."""
    times = config.batch_size // footing.device_batch
    rows = "1 row" if footing.device_batch == 1 else f"{footing.device_batch} rows"
    again = ", with gradient checkpointing" if footing.checkpointing else ""
    return f"{rows} at once, {times} times a step{again}"


def _too_large(config: TrainConfig, reason: str) -> Problem:
    ways = ["shorter rows (max_length with long_rows: drop)", "a smaller model", "a larger device"]
    if not config.qlora:
        ways.insert(0, "qlora: true")
    return Problem(
        "memory runs out with a single row at once and gradient checkpointing",
        config.model,
        found=reason,
        hint="try " + ", ".join(ways[:-1]) + f", or {ways[-1]}",
    )
