"""Tests of what is told when the training process ends too early."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError, MachineryError
from harness.training.sft.checkpoints import CONFIG, WEIGHTS
from harness.training.sft.job import Exit, TrainingFailed
from harness.training.sft.train import Ending, ending_error

KEPT = "the checkpoint of step 4 is kept"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint-04"
    folder.mkdir()
    for name in (WEIGHTS, CONFIG):
        (folder / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("ending", "wanted"),
    [
        (
            Ending(-9, (), ""),
            "the training process died\n"
            "  found: signal SIGKILL, as the system sends it when memory runs out\n"
            f"  hint: {KEPT}; run the same command again to go on",
        ),
        (
            Ending(-11, (), ""),
            "the training process died\n  found: signal SIGSEGV\n"
            f"  hint: {KEPT}; run the same command again to go on",
        ),
        (
            Ending(1, (TrainingFailed("KeyError: 'x'"),), "Traceback\nKeyError: 'x'\n"),
            "the training process died: KeyError: 'x'\n"
            "  found: exit code 1\n    Traceback\n    KeyError: 'x'\n"
            f"  hint: {KEPT}; run the same command again to go on",
        ),
        (
            Ending(Exit.DISK_FULL, (TrainingFailed("the disk is full", "no space left"),), ""),
            "the disk is full\n  found: no space left\n"
            f"  hint: {KEPT}; make room and run the same command again",
        ),
        (
            Ending(
                Exit.DIVERGED,
                (TrainingFailed("training diverged in step 3", hint="calm down"),),
                "",
            ),
            "training diverged in step 3\n  hint: calm down",
        ),
    ],
    ids=("killed", "segfault", "crash", "disk", "diverged"),
)
def test_broken_machinery_says_what_is_kept(ending: Ending, wanted: str, output: Path) -> None:
    error = ending_error(output, ending)

    assert isinstance(error, MachineryError)
    assert str(error) == f"{output}: {wanted}"


def test_what_the_worker_refuses_is_wrong_input(output: Path) -> None:
    failed = TrainingFailed(
        "another process is training into this directory", hint="wait for it to end"
    )

    error = ending_error(output, Ending(Exit.REFUSED, (failed,), ""))

    assert isinstance(error, InputError)
    assert str(error) == (
        f"{output}: another process is training into this directory\n  hint: wait for it to end"
    )


def test_without_a_checkpoint_nothing_was_saved(tmp_path: Path) -> None:
    assert "hint: nothing was saved; run" in str(ending_error(tmp_path, Ending(1, (), "")))
