"""Memory that really runs out: under a limit that the system enforces, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.backends.hf.memory import check_room, free_bytes, weight_bytes
from harness.backends.hf.placement import place
from harness.backends.models import open_model

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "fixtures/model"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces RLIMIT_AS")


@pytest.fixture(scope="module")
def limited() -> dict[str, Any]:
    """What `tests.backends.hf.limited` prints; one process imports what takes seconds."""
    # One arena: on a busy machine malloc would reserve another 64 MiB, which the limit counts.
    # From 40 to 200 MiB one prompt fits and all at once do not: 100 is in between.
    done = subprocess.run(
        [sys.executable, "-m", "tests.backends.hf.limited", str(MODEL), "load=3", "answer=100"],
        cwd=ROOT,
        env={**os.environ, "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        said |= json.loads(line)
    return said


@linux
def test_a_batch_that_finds_no_memory_is_halved_and_no_answer_is_lost_or_changed(
    limited: dict[str, Any],
) -> None:
    said = limited["answer"]

    assert (said["answers"], said["errors"], said["same"]) == (20, [], 20)
    assert said["tokens"] < 20 * 400


@linux
def test_a_model_that_does_not_fit_is_said_to_be_too_large(limited: dict[str, Any]) -> None:
    # After it come the warm engines on this machine, if there are any: they hold memory too.
    assert re.match(
        rf"MachineryError: {MODEL}: there is too little memory for the model\n"
        r"  found: 0\.00 GiB free on this machine\n"
        r"  expected: 0\.02 GiB for its weights in float32, and more to work\n"
        r"  hint: free some memory, or make it smaller: --dtype bfloat16(\n|\Z)",
        limited["load"],
    )


def test_the_size_of_weights_goes_by_the_format() -> None:
    model = open_model(str(MODEL))

    whole, half = weight_bytes(model, torch.float32), weight_bytes(model, torch.bfloat16)

    assert whole == 2 * half
    assert 5_000_000 < half / 2 < 6_000_000  # parameters


def test_a_model_that_fits_is_let_in() -> None:
    check_room(open_model(str(MODEL)), place("cpu", "float32"))


def test_the_memory_of_an_apple_gpu_is_not_known() -> None:
    assert free_bytes(torch.device("mps")) is None
