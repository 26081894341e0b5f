"""Tests of the two ways to end early, and of what stops a training."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from harness.training.sft.job import Exit, TrainingFailed, TrainingJob
from harness.training.sft.worker.failures import Diverged, explain
from harness.training.sft.worker.trainer import diverges, exhausted
from tests.training.sft.made import config_for


@pytest.mark.parametrize(
    ("losses", "patience", "wanted"),
    [
        ([3.0, 2.0, 1.0], 2, False),
        ([3.0, 1.0, 2.0, 2.0], 2, True),
        ([3.0, 1.0, 2.0, 0.5], 2, False),
        ([1.0, 1.0], 1, True),
        ([1.0], 1, False),
        ([1.0, 2.0, 3.0, 4.0], None, False),
    ],
)
def test_training_ends_when_the_held_out_loss_stops_falling(
    losses: list[float], patience: int | None, wanted: bool
) -> None:
    assert exhausted(losses, patience) is wanted


@pytest.mark.parametrize(
    ("losses", "norm", "wanted"),
    [
        ([1.0, float("nan")], 1.0, "the loss is nan"),
        ([1.0, float("inf")], 1.0, "the loss is inf"),
        ([1.0, 1.0], float("nan"), "the norm of the gradient is nan"),
        ([1.0] * 5 + [9.0] * 5, 1.0, "the loss rose from 1 to 9"),
        ([0.01] * 5 + [0.5] * 5, 1.0, ""),  # a model that knew it nearly by heart
        ([2.0] * 5 + [2.5] * 5, 1.0, ""),
        ([9.0, 9.0], 1.0, ""),
    ],
)
def test_divergence(losses: list[float], norm: float, wanted: str) -> None:
    assert diverges(losses, norm) == wanted


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), 81),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"), 81),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), 81),
        (MemoryError(), 81),
        (Diverged("training diverged in step 3: the loss is nan"), 82),
        (OSError(errno.ENOSPC, "No space left on device"), 83),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 83),
        (KeyError("x"), 1),
    ],
)
def test_every_end_has_its_code(error: Exception, code: int, tmp_path: Path) -> None:
    assert explain(error, job(tmp_path))[0] == code


def test_divergence_comes_with_advice(tmp_path: Path) -> None:
    code, failed = explain(Diverged("training diverged"), job(tmp_path))

    assert code == Exit.DIVERGED
    assert failed == TrainingFailed(
        "training diverged",
        hint="lower learning_rate to 0.0025 or so, raise warmup, and look at the rows with the "
        "longest answers; in float16, use bfloat16 or float32",
    )


def job(folder: Path) -> TrainingJob:
    config = config_for(Path("m"), folder)
    return TrainingJob(
        config=config,
        base=folder,
        samples=folder,
        work=folder,
    )
