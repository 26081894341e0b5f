"""Checkpoints on the disk: each appears whole or not at all, and is an adapter that loads.

A checkpoint is written into a directory of another name, forced onto the disk and renamed. Only
the newest keeps what a resumed training needs; the others are stripped to the adapter alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.common import make_folder

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
STATE = "trainer_state.json"
RESUME = (STATE, "optimizer.pt", "scheduler.pt", "rng_state.pth")
TRAINED = "trained.safetensors"  # what a training goes on from where the adapter is saved otherwise
_NAME = re.compile(r"checkpoint-(\d+)")


def checkpoint_name(step: int, steps: int) -> str:
    """Return its name; steps are padded with zeros, so that names sort as steps do."""
    return f"checkpoint-{step:0{len(str(steps))}d}"


def checkpoints(output: Path) -> list[Path]:
    """Return all checkpoints of a training, by step."""
    found = [path for path in output.glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    whole = (path for path in found if (path / WEIGHTS).is_file() and (path / CONFIG).is_file())
    return sorted(whole, key=step_of)


def step_of(path: Path) -> int:
    """Return the step of a checkpoint, from its name."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def resumable(output: Path) -> Path | None:
    """Return the newest checkpoint with all that is needed to go on."""
    found = [path for path in checkpoints(output) if all((path / n).is_file() for n in RESUME)]
    return found[-1] if found else None


def publish(target: Path, write: Callable[[Path], None]) -> None:
    """Make a directory: `write` fills another one, which then gets the name.

    Where writing fails nothing is left, and what was there before is untouched.
    """
    staging = target.with_name(f".{target.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    make_folder(staging.parent)
    staging.mkdir()
    try:
        write(staging)
        for file in staging.rglob("*"):
            sync(file)
        sync(staging)
        shutil.rmtree(target, ignore_errors=True)  # only a twin of the same step can be there
        staging.rename(target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def replace_file(target: Path, data: bytes) -> None:
    """Write a file that is there whole, or as it was before."""
    staging = target.with_name(f".{target.name}.part")
    try:
        staging.write_bytes(data)
        sync(staging)
        staging.replace(target)
        sync(target.parent)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Wait until a file, or a directory's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rotate(output: Path, keep: int, best: int | None) -> None:
    """Leave the newest `keep` checkpoints and the best; strip all but the newest."""
    found = checkpoints(output)
    for path in found[:-keep]:
        if step_of(path) != best:
            # Under another name first: half a checkpoint must not look like a whole one.
            gone = path.with_name(f".{path.name}.gone")
            shutil.rmtree(gone, ignore_errors=True)
            path.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
    strip(path for path in found[:-1] if path.is_dir())


def strip(paths: Iterable[Path]) -> None:
    """Remove what only a resumed training needs."""
    for path in paths:
        for name in (*RESUME, TRAINED):
            (path / name).unlink(missing_ok=True)


Loss = tuple[int, float]  # after this step


@dataclass(frozen=True, slots=True)
class History:
    """Losses by step, in order: of the steps themselves, and on the held-out rows."""

    steps: tuple[Loss, ...]
    held_out: tuple[Loss, ...]

    @property
    def best(self) -> int | None:
        """The first step with the lowest held-out loss; None where nothing was held out."""
        return best_of(self.held_out)


def read_history(checkpoint: Path) -> History:
    """Return the history up to a checkpoint that can be resumed."""
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return history_of(state["log_history"])


def history_of(log: Sequence[Mapping[str, Any]]) -> History:
    """Return the losses out of a log of transformers."""
    steps = tuple((int(row["step"]), float(row["loss"])) for row in log if "loss" in row)
    return History(steps, held_out_losses(log))


def preferences_at(checkpoint: Path, step: int) -> dict[str, float]:
    """Return how well pairs are told apart after a step: of that step, and on the held-out pairs.

    `accuracy` is the share of pairs whose chosen answer has gained more than the other since the
    training began; `margin` is by how much, times beta. Empty where no pairs were learned.
    """
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    found = {}
    for row in state["log_history"]:
        for prefix, told in (("", ""), ("eval_", "held_out_")):
            for theirs, ours in (("accuracies", "accuracy"), ("margins", "margin")):
                key = f"{prefix}rewards/{theirs}"
                if row["step"] == step and key in row:
                    found[told + ours] = round(float(row[key]), 6)
    return found


def held_out_losses(log: Sequence[Mapping[str, Any]]) -> tuple[Loss, ...]:
    """Return the held-out losses of a log, one per evaluation."""
    found = ((row["step"], row["eval_loss"]) for row in log if "eval_loss" in row)
    return tuple((int(step), float(loss)) for step, loss in found)


def best_of(losses: Sequence[Loss]) -> int | None:
    """Return the first step with the lowest loss; None without any."""
    return min(losses, key=lambda pair: pair[1])[0] if losses else None
